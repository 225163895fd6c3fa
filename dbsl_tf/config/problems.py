"""Describes what is wrong with a configuration in one line: the key, its value, the remedy."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from dbsl_tf.config.augment import AUGMENTATIONS
from dbsl_tf.config.keys import allowed_values, describe_keys, sections
from dbsl_tf.config.section import Section
from dbsl_tf.config.yaml_text import written

_LONGEST_KEY = 60
# For keys of other sections, some of which are always a little alike.
_CLOSE = 0.8


@dataclass(frozen=True)
class Problem:
    """One mistake.

    Attributes:
        keys: dotted keys that cause it; the first is the one the text is about.
        text: the key, its value and what to do, but not the place where it was written.
    """

    keys: tuple[str, ...]
    text: str


def problems_of(error: ValidationError) -> list[Problem]:
    """Returns the mistakes behind `error`, misspelt keys first: they explain missing ones."""
    unknown, others = [], []
    for detail in error.errors(include_url=False):
        if detail["type"] in ("extra_forbidden", "invalid_key"):
            unknown.append(_unknown(detail["loc"]))
        else:
            others.append(_other(detail))
    return unknown + others


def unknown_key(key: str) -> str:
    """Returns the message about a dotted key that does not exist, with the nearest that does."""
    key = key if len(key) <= _LONGEST_KEY else f"{key[:_LONGEST_KEY]}…"
    shown = key if key.isprintable() and key else repr(key)
    section, _, name = key.rpartition(".")
    known = [description.key for description in describe_keys()]
    same_name = [other for other in known if other.endswith(f".{name}")]
    if same_name and (not section or len(same_name) == 1):
        return f"{shown} is not a key; did you mean {' or '.join(same_name)}?"
    if section in sections():
        fields = list(sections()[section].model_fields)
        close = difflib.get_close_matches(name, fields, n=1)
        if not close:
            return f"{shown} is not a key; {section} has {', '.join(fields)}"
        return f"{shown} is not a key; did you mean {section}.{close[0]}?"
    candidates = known if section else [*sections(), *known]
    close = difflib.get_close_matches(key, candidates, n=1, cutoff=_CLOSE)
    if close:
        return f"{shown} is not a key; did you mean {close[0]}?"
    return f"{shown} is not a key; the sections are {', '.join(sections())}"


def _unknown(place: tuple[int | str, ...]) -> Problem:
    key = _dotted(place)
    model = _model_at(place)
    if len(place) <= 2 or model is None:
        key = ".".join(str(part) for part in place)
        return Problem((key,), unknown_key(key))
    known = [name for name in model.model_fields if name != "name"]
    close = difflib.get_close_matches(str(place[-1]), known, n=1)
    remedy = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
    return Problem(("data.augment",), f"{key} is not a parameter; {remedy}")


def _other(detail: Any) -> Problem:
    place, context = detail["loc"], detail.get("ctx", {})
    if detail["type"] == "across_keys":
        keys = tuple(context["keys"])
        return Problem(keys, f"{keys[0]} is {written(context['value'])}; {context['allowed']}")
    key = _dotted(place)
    if detail["type"] == "not_allowed" and "allowed" in context:
        remedy = context["allowed"]
    else:
        remedy = f"give {_allowed_at(place)}"
    if detail["type"] == "missing":
        model, name = _model_at(place), str(place[-1])
        meaning = model.model_fields[name].description if model else None
        return Problem((key,), f"{key} is missing ({meaning}); {remedy}")
    source = "data.augment" if key.startswith("data.augment") else key.partition("[")[0]
    return Problem((source,), f"{key} is {written(detail['input'])}; {remedy}")


def _allowed_at(place: tuple[int | str, ...]) -> str:
    model = _model_at(place)
    name = str(place[-1])
    if model is not None and name in model.model_fields:
        return allowed_values(model.model_fields[name])
    # An item of a list is described by the list.
    return allowed_values(sections()[str(place[0])].model_fields[str(place[1])])


def _model_at(place: tuple[int | str, ...]) -> type[Section] | None:
    """Returns the model that `place[-1]` is, or would be, a field of."""
    if place[:2] == ("data", "augment") and len(place) == 5:
        return AUGMENTATIONS[str(place[3])]
    return sections().get(str(place[0])) if len(place) == 2 else None


def _dotted(place: tuple[int | str, ...]) -> str:
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")
