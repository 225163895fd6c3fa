"""Curves of the loss and metrics of runs and groups, over epochs or over time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Literal

from dbsl_tf.planning.dual_batch import ROLES
from dbsl_tf.reporting.comparison import Group, spread_of
from dbsl_tf.reporting.recorded_run import Evaluation, MiniEpoch, RecordedRun

ACCURACY, LOSS, LEARNING_RATE = "accuracy", "loss", "learning rate"
Against = Literal["epoch", "time"]


@dataclass(frozen=True)
class Curve:
    """A line, with a band of one standard deviation around it.

    Attributes:
        label: what it shows.
        x: epochs, or seconds of training.
        y: loss, accuracy from 0 to 1, or another metric.
        deviations: sample standard deviation at each point; empty for a single run.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    deviations: tuple[float, ...] = ()


def has_accuracy(runs: Iterable[RecordedRun]) -> bool:
    """Whether any of the runs counts what is classified correctly; also where none says yet."""
    values = [
        value
        for run in runs
        for value in (
            *(evaluation.test_accuracy for evaluation in (*run.evaluations, *run.validations)),
            *(mini_epoch.train_accuracy for mini_epoch in run.mini_epochs),
        )
    ]
    return not values or any(value is not None for value in values)


def other_metrics(runs: Iterable[RecordedRun]) -> list[str]:
    """Returns the metrics that any of the runs has recorded beside accuracy and loss, in order."""
    names: dict[str, None] = {}
    for run in runs:
        for evaluation in (*run.evaluations, *run.validations):
            names |= dict.fromkeys(evaluation.test_metrics)
        for mini_epoch in run.mini_epochs:
            names |= dict.fromkeys(mini_epoch.train_metrics)
    return list(names)


def drawn_metrics(runs: Sequence[RecordedRun]) -> list[str]:
    """Returns what there are curves of: accuracy where there is one, loss, other metrics."""
    first = [ACCURACY] if has_accuracy(runs) else []
    return [*first, LOSS, *other_metrics(runs)]


def run_curves(run: RecordedRun, metric: str, against: Against) -> list[Curve]:
    """Returns the curves of one run: of its evaluations, and during training for each role."""
    if metric == LEARNING_RATE:
        return _learning_rates(run, against)
    curves = []
    for label, evaluations in (("validation", run.validations), ("test", run.evaluations)):
        points = [
            (e.end if against == "time" else e.epochs, value)
            for e in evaluations
            if (value := _test_value(e, metric)) is not None
        ]
        if points:
            curves.append(Curve(label, tuple(x for x, _ in points), tuple(y for _, y in points)))
    for role in ROLES:
        curve = _training_curve(run, role, metric, against)
        if curve.x:
            curves.append(curve)
    return curves


def _learning_rates(run: RecordedRun, against: Against) -> list[Curve]:
    """Returns the learning rate from mini-epoch to mini-epoch; one curve if it is that of both."""
    roles: dict[str, list[MiniEpoch]] = {
        role: [m for m in run.mini_epochs if m.role == role] for role in ROLES
    }
    by_epoch = [{(m.epoch, m.learning_rate) for m in own} for own in roles.values() if own]
    if all(found == by_epoch[0] for found in by_epoch):
        roles = {"": list(run.mini_epochs)}
    curves = []
    position = run.calendar.position
    for role, own in roles.items():
        spans = sorted(
            (m.begin, m.end, m.learning_rate)
            if against == "time"
            else (position(m.commit - 1), position(m.commit), m.learning_rate)
            for m in own
            if m.learning_rate is not None
        )
        if not spans:
            continue
        points: list[tuple[float, float]] = []
        for begin, _, rate in spans:
            if not points or points[-1][1] != rate:
                # It holds up to the next one.
                points += [(begin, points[-1][1])] if points else []
                points.append((begin, rate))
        points.append((max(end for _, end, _ in spans), points[-1][1]))
        label = f"learning rate, {role} batches" if role else LEARNING_RATE
        curves.append(Curve(label, tuple(x for x, _ in points), tuple(y for _, y in points)))
    return curves


def validated(groups: Iterable[Group]) -> bool:
    """Whether samples are held out for validation in all runs."""
    return all(run.validations for group in groups for run in group.runs)


def group_curve(group: Group, metric: str, against: Against) -> Curve:
    """Returns the mean of a group's runs over the evaluations that all have.

    They are on the test set, or on samples held out where all its runs have them. Over time,
    each point is the mean of the evaluations' times and the mean of their results.
    """
    label = group.label
    unfinished = sum(not run.finished for run in group.runs)
    if unfinished:
        of = f"{unfinished} of {len(group.runs)} runs " if len(group.runs) > 1 else ""
        label += f" ({of}not finished)"
    by_commit = [
        {
            e.commit: e
            for e in (run.validations if validated([group]) else run.evaluations)
            if _test_value(e, metric) is not None
        }
        for run in group.runs
    ]
    common = sorted(set.intersection(*(set(found) for found in by_commit)))
    x, y, deviations = [], [], []
    for commit in common:
        at = [found[commit] for found in by_commit]
        x.append(mean([e.end if against == "time" else e.epochs for e in at]))
        values = spread_of([v for e in at if (v := _test_value(e, metric)) is not None])
        y.append(values.mean)
        if values.deviation is not None:
            deviations.append(values.deviation)
    return Curve(label, tuple(x), tuple(y), tuple(deviations))


def _training_curve(run: RecordedRun, role: str, metric: str, against: Against) -> Curve:
    """Returns the mean over the mini-epochs of a role in each epoch, weighted by their samples."""
    epochs: dict[int, list[MiniEpoch]] = {}
    for mini_epoch in run.mini_epochs:
        value = _value(mini_epoch, metric)
        if mini_epoch.role == role and value is not None:
            epochs.setdefault(mini_epoch.epoch, []).append(mini_epoch)
    x, y = [], []
    for epoch, mini_epochs in sorted(epochs.items()):
        x.append(max(m.end for m in mini_epochs) if against == "time" else float(epoch))
        y.append(_weighted(mini_epochs, metric))
    return Curve(f"training, {role} batches", tuple(x), tuple(y))


def _weighted(mini_epochs: Sequence[MiniEpoch], metric: str) -> float:
    known = [(m.samples or 1, v) for m in mini_epochs if (v := _value(m, metric)) is not None]
    return sum(weight * value for weight, value in known) / sum(weight for weight, _ in known)


def _value(mini_epoch: MiniEpoch, metric: str) -> float | None:
    if metric == ACCURACY:
        return mini_epoch.train_accuracy
    return mini_epoch.train_loss if metric == LOSS else mini_epoch.train_metrics.get(metric)


def _test_value(evaluation: Evaluation, metric: str) -> float | None:
    if metric == ACCURACY:
        return evaluation.test_accuracy
    return evaluation.test_loss if metric == LOSS else evaluation.test_metrics.get(metric)
