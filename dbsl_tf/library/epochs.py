"""Epochs out of the records of mini-epochs and evaluations, with logs as Keras has them.

A run evaluates after every epoch, at one resolution: on the samples held out for validation if
there are any, and then on the test set at its end only; otherwise on the test set.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dbsl_tf.results.records import TEST, VALIDATION
from dbsl_tf.schedules.calendar import Calendar


class Epochs:
    """Collects records until an epoch is complete: all its mini-epochs, and its evaluation.

    Args:
        calendar: which mini-epochs are an epoch.
        validation: whether samples are held out for it.

    Attributes:
        tested: the logs of the test set where samples are held out; empty before the end.

    Example:
        >>> epochs = Epochs(Calendar(workers=1, epochs=2))
        >>> commit = {"event": "commit", "commit": 1, "samples": 9, "train_loss": 0.5}
        >>> list(epochs.completed_by(commit))
        []
        >>> list(epochs.completed_by({"event": "evaluation", "commit": 1, "test_loss": 0.75}))
        [(0, {'loss': 0.5, 'val_loss': 0.75})]
    """

    def __init__(self, calendar: Calendar, validation: bool = False) -> None:
        self._calendar = calendar
        self._commits: dict[int, Mapping[str, Any]] = {}
        self._evaluations: dict[int, Mapping[str, Any]] = {}
        self._next = 0
        self._watched = VALIDATION if validation else TEST
        self.tested: dict[str, float] = {}

    @property
    def next(self) -> int:
        """The next epoch, from 0, that will be complete; at the end, how many there are."""
        epoch = self._next
        while epoch + 1 < self._calendar.epochs and not self._numbers(epoch):
            epoch += 1
        return epoch

    def completes_one(self, event: Mapping[str, Any]) -> bool:
        """Whether a record is an evaluation that an epoch ends with."""
        return event["event"] == "evaluation" and event.get("split", TEST) == self._watched

    def begin_after(self, commit: int) -> None:
        """The run goes on after this commit: what it trains again replaces what was there."""
        self._commits = {n: c for n, c in self._commits.items() if n <= commit}
        self._evaluations = {n: e for n, e in self._evaluations.items() if n <= commit}

    def completed_by(self, event: Mapping[str, Any]) -> Iterator[tuple[int, dict[str, float]]]:
        """Yields the epochs, from 0, that are complete with this record, and their logs.

        No epoch comes twice, and of epochs without a merge only the last. What a run that was
        interrupted has not recorded is NaN.
        """
        if event["event"] == "commit":
            self._commits[event["commit"]] = event
        elif self.completes_one(event):
            self._evaluations[event["commit"]] = event
        elif event["event"] == "evaluation":
            tested = _values(event, "test")
            self.tested = {f"test_{name}": value for name, value in tested.items()}
        while (logs := self._logs(self._next)) is not None:
            epoch = self._next
            self._next += 1
            if logs:
                yield epoch, logs

    def _numbers(self, epoch: int) -> range:
        """Returns the commits of an epoch; none if it is trained in one with the next."""
        first, last = (self._calendar.first_number(epoch + n) for n in (1, 2))
        return range(first + 1, last + 1)

    def _logs(self, epoch: int) -> dict[str, float] | None:
        """Returns the logs of an epoch; none of one that is trained in one with the next.

        None: it is not complete.
        """
        numbers = self._numbers(epoch)
        if not numbers:
            return {}
        last = numbers[-1]
        commits = [self._commits[number] for number in numbers if number in self._commits]
        evaluation = self._evaluations.get(last)
        # They come in order: after a later one, an earlier one is missing for good.
        latest = max(self._evaluations, default=0)
        if latest <= last and (evaluation is None or len(commits) < len(numbers)):
            return None
        if not self._commits:
            return None
        logs = _means(commits) if commits else _unknown(next(iter(self._commits.values())), "train")
        values = (
            _unknown(self._evaluations[latest], "test")
            if evaluation is None
            else _values(evaluation, "test")
        )
        return logs | {f"val_{name}": value for name, value in values.items()}


def _unknown(record: Mapping[str, Any], kind: str) -> dict[str, float]:
    return dict.fromkeys(_values(record, kind), math.nan)


def _means(commits: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Means over the samples of an epoch."""
    samples = sum(commit["samples"] for commit in commits)
    totals: dict[str, float] = {}
    for commit in commits:
        for name, value in _values(commit, "train").items():
            totals[name] = totals.get(name, 0.0) + value * commit["samples"] / samples
    return totals


def _values(record: Mapping[str, Any], kind: str) -> dict[str, float]:
    metrics = {
        name: math.nan if value is None else value
        for name, value in (record.get(f"{kind}_metrics") or {}).items()
    }
    accuracy = record.get(f"{kind}_accuracy")
    # One of Keras's, which has the same value, is among the metrics.
    if accuracy is not None and not any(name.endswith("accuracy") for name in metrics):
        metrics = {"accuracy": accuracy, **metrics}
    return {"loss": record[f"{kind}_loss"], **metrics}
