"""Checks whether a run can be resumed with a configuration other than the one it began with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.first_few import first_few
from dbsl_tf.config import Config
from dbsl_tf.config.flat import flat
from dbsl_tf.config.keys import effect_of, tagged
from dbsl_tf.config.registries import MODELS
from dbsl_tf.config.tags import Effect, Fixed

# What data.json says of them.
_CLASSES = ("name", "classes", "class_names")
# What they are, beside the samples themselves.
_CONTENT = ("train_samples", "test_samples", "x", "y")
# What decides which samples are held out for validation.
_HELD_OUT = ("validation_samples", "validation_seed", "train_samples")


@dataclass(frozen=True)
class Change:
    """A key of the configuration whose value has changed."""

    key: str
    before: Any
    now: Any

    def __str__(self) -> str:
        return f"{self.key} was {_text(self.before)}, now {_text(self.now)}"


def changes(before: Config, now: Config) -> list[Change]:
    """Returns the keys in which two configurations of one run differ.

    Raises:
        UserError: the run cannot be resumed with the present one.
    """
    old, new = (_values(config) for config in (before, now))
    found = [
        Change(key, old.get(key), value)
        for key, value in new.items()
        if effect_of(key) is not Effect.PLACE and old.get(key) != value
    ]
    fixed = tagged(Fixed)
    for change in found:
        tag = fixed.get(change.key)
        if tag is None:
            continue
        instead = "change it back"
        if tag.if_both is not None:
            key, value = tag.if_both
            if (old.get(key), new.get(key)) != (value, value):
                continue
            instead += f", give {key} another value than {value}"
        raise UserError(
            f"run.dir holds a run in which {change}: {tag.reason}; {instead}, or start another run "
            "in another run.dir"
        )
    return found


def changes_of_data(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Returns in which ways the data of a run are others than they were, in words.

    Args:
        before, now: `data.json`; what one of them does not have is not compared.

    Example:
        >>> changes_of_data({"train_samples": 40}, {"train_samples": 50})
        ['train_samples of the data was 40, now 50']
    """
    both = [key for key in _CONTENT if key in before and key in now]
    found = [
        f"{key} of the data was {before[key]}, now {now[key]}"
        for key in both
        if before[key] != now[key]
    ]
    digests_before, digests_now = before.get("arrays", {}), now.get("arrays", {})
    found += [
        f"the {name} arrays are not those that the run has had so far; it goes on with these"
        for split, name in (("train", "training"), ("test", "test"))
        if split in digests_before and digests_before[split] != digests_now.get(split)
    ]
    return found


def check_same_classes(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Checks that a run can be resumed with the present data.

    Args:
        before: `data.json` of the run; without names of classes only their number is compared.
        now: the content that would be written there now.

    Raises:
        UserError: the classes have changed.
    """
    if all(before.get(key, now.get(key)) == now.get(key) for key in _CLASSES):
        return
    old, new = (set(facts.get("class_names", ())) for facts in (before, now))
    differences = [
        f"{what}: {first_few(sorted(names), len(names))}"
        for what, names in (("new", new - old), ("gone", old - new))
        if names and old
    ]
    named = f" ({'; '.join(differences)})" if differences else ""
    raise UserError(
        f"run.dir holds a run on the {before.get('classes')} classes of {before.get('name')}, and "
        f"the data of {now['name']} now has {now['classes']}{named}: the weights belong to other "
        "classes; change data.dir back, or start another run in another run.dir"
    )


def check_same_held_out(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Checks that a run resumed with the present data is evaluated on nothing it was trained on.

    Args:
        before: `data.json` of the run.
        now: the content that would be written there now.

    Raises:
        UserError: other samples would be held out for validation.
    """
    if "validation_samples" not in now:
        return
    old, new = (
        ", ".join(f"{key}={facts.get(key)}" for key in _HELD_OUT) for facts in (before, now)
    )
    if old != new:
        raise UserError(
            f"run.dir holds a run with {old}, now {new}: other samples would be held out, and some "
            "of them were trained on; change run.seed or the data back, or start another run in "
            "another run.dir"
        )


def _values(config: Config) -> dict[str, Any]:
    values = flat(config.model_dump(mode="json"))
    return {**values, "model.stem": config.stem} if MODELS.is_builtin(config.model.name) else values


def _text(value: Any) -> str:
    return "null" if value is None else str(value)
