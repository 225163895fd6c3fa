"""Compares runs: which of them belong together, and how the others differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from dbsl_tf.config.keys import effect_of, tagged
from dbsl_tf.config.tags import Effect, OfSmallWorkers
from dbsl_tf.reporting.recorded_run import RecordedRun

NOT_RECORDED = "not recorded"
# The keys that a label names first; others follow in the order of the configuration.
_SYMBOLS = {
    "data.name": "data",
    "model.name": "model",
    "dual_batch.small_workers": "n_S",
    "dual_batch.extra_time_ratio": "k",
    "cluster.workers": "n",
    "dual_batch.large_batch": "B_L",
    "dual_batch.update_factor": "f",
    "merge.rule": "merge",
    "sync.mode": "sync",
    "progressive.mode": "progressive",
    "optimizer.base_lr": "learning rate",
    "schedule.epochs": "epochs",
    "schedule.mini_epochs_per_epoch": "mini-epochs per epoch",
    "schedule.merge_interval": "merge interval",
    "schedule.final_local_epochs": "local epochs",
}
_MOST_KEYS = 3  # that a label names if fewer do not distinguish the groups
# Without these, a label would be of something else than what it seems.
_ALWAYS_NAMED = ("data.name", "model.name")
# What data.json has of data that may be elsewhere than those of another run, and yet the same.
_FACTS = ("classes", "train_samples", "test_samples", "class_names", "class_counts")
_LONGEST_VALUE = 24


@dataclass(frozen=True)
class Spread:
    """The mean and spread of values from several runs.

    Attributes:
        mean: their mean.
        deviation: their sample standard deviation (n − 1); None for a single value.
        count: how many there are.
    """

    mean: float
    deviation: float | None
    count: int


def spread(values: Iterable[float | None]) -> Spread | None:
    """Returns the mean and standard deviation of the known values; None if none is known."""
    known = [value for value in values if value is not None]
    return spread_of(known) if known else None


def spread_of(values: Sequence[float]) -> Spread:
    """Returns the mean and standard deviation of at least one value."""
    return Spread(mean(values), stdev(values) if len(values) > 1 else None, len(values))


@dataclass(frozen=True)
class Group:
    """Runs of one configuration and the same data, with different seeds or repeated.

    Attributes:
        label: how it differs from the other groups; with one group, the name of its first run.
        runs: at least one.
    """

    label: str
    runs: tuple[RecordedRun, ...]

    @property
    def config(self) -> Mapping[str, Any]:
        """Its configuration by dotted key, without the keys that may differ within it."""
        return _compared(self.runs[0].config)

    @property
    def small_workers(self) -> int | None:
        """Number of workers with the small batch, n_S."""
        return self.config.get("dual_batch.small_workers", self.runs[0].plan.get("small_workers"))

    @property
    def seeds(self) -> str:
        """The seeds of its runs as text; those of several runs with their number."""
        counts = Counter("?" if run.seed is None else str(run.seed) for run in self.runs)
        return ", ".join(
            seed if count == 1 else f"{seed} ({count} runs)" for seed, count in counts.items()
        )

    @property
    def spread_over(self) -> str:
        """What its values spread over: seeds, or runs where a seed has several."""
        return "seeds" if len({run.seed for run in self.runs}) == len(self.runs) else "runs"


@dataclass(frozen=True)
class Difference:
    """A key in which groups differ.

    Attributes:
        key: dotted name.
        values: one for each group; NOT_RECORDED if its configuration lacks the key.
    """

    key: str
    values: tuple[Any, ...]


def group_runs(runs: Sequence[RecordedRun]) -> tuple[Group, ...]:
    """Groups runs that differ only in the seed, in the order in which they were given.

    Without small workers, what is for these makes no difference.
    """
    found: list[list[RecordedRun]] = []
    for run in runs:
        for together in found:
            if _are_alike(together[0], run):
                together.append(run)
                break
        else:
            found.append([run])
    labels = _labels([together[0] for together in found])
    return tuple(Group(label, tuple(together)) for label, together in zip(labels, found))


def differences(groups: Sequence[Group]) -> tuple[Difference, ...]:
    """Returns the keys in which the configurations of groups, or their data, are not the same."""
    facts = [group.runs[0].data for group in groups]
    data = [{f"data.json: {key}": of[key] for key in _FACTS if key in of} for of in facts]
    of_data = [d for d in _differences(data) if recorded_values_differ(d)]
    return (*_differences([group.config for group in groups]), *of_data)


def _are_alike(one: RecordedRun, other: RecordedRun) -> bool:
    """Whether they have one configuration but for the seed, and the same data as far as known."""
    # What is null now was no key in earlier versions.
    configs = [
        {key: value for key, value in _compared(run.config).items() if value is not None}
        for run in (one, other)
    ]
    known = [key for key in _FACTS if key in one.data and key in other.data]
    same_data = all(one.data[key] == other.data[key] for key in known)
    return bool(other.config) and configs[0] == configs[1] and same_data


def _compared(config: Mapping[str, Any]) -> dict[str, Any]:
    left_out = tagged(OfSmallWorkers) if config.get("dual_batch.small_workers") == 0 else {}
    return {
        key: value
        for key, value in config.items()
        if effect_of(key) is Effect.RESULT and key not in left_out
    }


def _differences(configs: Sequence[Mapping[str, Any]]) -> tuple[Difference, ...]:
    keys = dict.fromkeys(key for config in configs for key in config)
    found = []
    for key in keys:
        values = tuple(config.get(key, NOT_RECORDED) for config in configs)
        if any(value != values[0] for value in values):
            found.append(Difference(key, values))
    return tuple(found)


def _labels(runs: Sequence[RecordedRun]) -> list[str]:
    """Returns a label for each run: the fewest keys that distinguish the runs, or else names.

    A label ends in … where further keys differ.
    """
    if len(runs) == 1:
        return [runs[0].name]
    configs = [_compared(run.config) for run in runs]
    found = {
        difference.key: difference.values
        for difference in _differences(configs)
        if recorded_values_differ(difference)
    }
    keys = [key for key in _SYMBOLS if key in found]
    keys += [key for key in found if key not in _SYMBOLS]
    named = keys if len(keys) <= _MOST_KEYS else _fewest(keys, found, len(runs))
    more = ", …" if len(named) < len(keys) else ""
    parts = [
        [
            f"{_symbol(key, named)} = {_value(found[key][index])}"
            for key in named
            if found[key][index] != NOT_RECORDED
        ]
        for index in range(len(runs))
    ]
    labels = [
        ", ".join(told) + more if told else run.name for told, run in zip(parts, runs, strict=True)
    ]
    if len(set(labels)) == len(labels):
        return labels
    names = [run.name for run in runs]
    return names if len(set(names)) == len(names) else [str(run.path) for run in runs]


def _fewest(keys: Sequence[str], values: Mapping[str, Sequence[Any]], runs: int) -> list[str]:
    """Returns the first keys that distinguish all runs, without those that do not help."""
    chosen = [key for key in _ALWAYS_NAMED if key in keys]
    kinds = len({tuple(_value(values[k][i]) for k in chosen) for i in range(runs)})
    for key in keys:
        if kinds == runs:
            break
        if key in chosen:
            continue
        now = len({tuple(_value(values[k][i]) for k in (*chosen, key)) for i in range(runs)})
        if now > kinds:
            chosen.append(key)
            kinds = now
    return chosen


def recorded_values_differ(difference: Difference) -> bool:
    """Whether groups have different values, beside those that have none."""
    recorded = [value for value in difference.values if value != NOT_RECORDED]
    return any(value != recorded[0] for value in recorded)


def _symbol(key: str, among: Sequence[str]) -> str:
    """Returns a key's name in a label: its symbol, or its name if no other has the same."""
    if key in _SYMBOLS:
        return _SYMBOLS[key]
    name = key.split(".")[-1]
    twins = sum(other.split(".")[-1] == name for other in among)
    return key if twins > 1 else name.replace("_", " ")


def _value(value: Any) -> str:
    text = value_text(value)
    return text if len(text) <= _LONGEST_VALUE else f"…{text[-_LONGEST_VALUE + 1 :]}"


def value_text(value: Any) -> str:
    """Returns a value of the configuration as it is written there."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(value_text, value))}]"
    return str(value)
