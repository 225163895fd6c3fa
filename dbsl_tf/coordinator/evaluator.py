"""Evaluation of the global weights on whole splits of the data, beside the training."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dbsl_tf.common.errors import UserError
from dbsl_tf.coordinator.estimated_statistics import StatisticsEstimator
from dbsl_tf.coordinator.noise_meter import Measurement
from dbsl_tf.coordinator.shared_work import SharedWork
from dbsl_tf.engine.background import Background
from dbsl_tf.engine.closure import Closure
from dbsl_tf.engine.engine import Engine
from dbsl_tf.results.evaluated_weights import Statistics, weights_in_words
from dbsl_tf.results.records import TEST, VALIDATION, EvaluationRecord, Split
from dbsl_tf.schedules.calendar import Calendar
from dbsl_tf.shared_model.shared_model import SharedModel
from dbsl_tf.training.objective import Objective


@dataclass(frozen=True)
class EvaluatedSplit:
    """What weights are evaluated on.

    Attributes:
        closures: see `evaluation_closure`; one for each evaluated resolution.
        samples: how many there are.
    """

    closures: Mapping[int, Closure]
    samples: int


class Evaluator:
    """Evaluates snapshots of the global weights; the workers share the samples of a split.

    That is the test set; where there are samples for validation, it is these during the training,
    and the test set at its end only.

    Args:
        engine: the connected cluster.
        shared_model: whose weights are evaluated.
        objective: of the closures.
        splits: the test set and, if samples are held out of the training set, those.
        worker_timeout: see `SharedWork`.
        estimator: of the statistics of batch normalisation; None: those in the weights are used.
    """

    def __init__(
        self,
        engine: Engine,
        shared_model: SharedModel,
        objective: Objective,
        splits: Mapping[Split, EvaluatedSplit],
        worker_timeout: float | None = None,
        estimator: StatisticsEstimator | None = None,
    ) -> None:
        self._shared_model = shared_model
        self._objective = objective
        self._splits = splits
        self._watched: Split = VALIDATION if VALIDATION in splits else TEST
        self._work = {
            (split, resolution): SharedWork(engine, closure, evaluated.samples, worker_timeout)
            for split, evaluated in splits.items()
            for resolution, closure in evaluated.closures.items()
        }
        self._estimator = estimator
        # Resolution and values of the estimated statistics in the snapshot.
        self._estimated: tuple[int, dict[int, np.ndarray]] | None = None

    def warm_up(self) -> None:
        """Makes every worker load the closures; nothing is evaluated."""
        for work in self._work.values():
            work.load()
        if self._estimator:
            self._estimator.warm_up()

    @property
    def highest(self) -> int:
        """The highest resolution, at which every evaluation is made."""
        return max(self._splits[TEST].closures)

    def due(self, trained: int, at_the_end: bool) -> list[tuple[Split, int]]:
        """Returns the splits to evaluate on, each with a resolution.

        Args:
            trained: resolution of the training images now.
            at_the_end: whether the training has ended.
        """
        lower = {trained} & self._splits[self._watched].closures.keys() - {self.highest}
        due = [(self._watched, resolution) for resolution in (*lower, self.highest)]
        if at_the_end and self._watched != TEST:
            due.append((TEST, self.highest))
        return due

    def snapshot(self) -> int:
        """Copies the weights for `evaluate` to use; returns the number of their commit."""
        self._estimated = None
        return self._shared_model.take_snapshot()

    def evaluate(
        self, commit: int, epoch: int, resolution: int, split: Split = TEST
    ) -> EvaluationRecord:
        """Evaluates the snapshot: one share of the split for each worker, every sample once.

        Args:
            commit: number of the commit that the snapshot holds.
            epoch: epochs completed by then.
            resolution: one of those of the split's closures.
            split: what to evaluate on.

        Raises:
            ParameterServerLost: a parameter server was lost.
        """
        expected = self._splits[split].samples
        started, began = time.time(), time.monotonic()
        self._estimate(resolution)
        sums = self._work[split, resolution].do()
        seconds = time.monotonic() - began
        samples = sum(int(part.samples) for part in sums)
        if samples != expected:
            raise RuntimeError(f"evaluated {samples} samples of {expected}")
        measured = self._objective.measured(sums)
        return EvaluationRecord(
            started=started,
            commit=commit,
            epoch=epoch,
            resolution=resolution,
            test_loss=measured.loss,
            test_accuracy=measured.accuracy,
            test_metrics=measured.metrics,
            samples=samples,
            seconds=seconds,
            split=split,
            weights=self._in_words(commit),
        )

    def statistics(self, commit: int) -> Statistics | None:
        """Returns those estimated for the snapshot at the highest resolution; None: none were."""
        if self._estimator is None or self._estimated is None:
            return None
        resolution, values = self._estimated
        if resolution != self.highest:
            return None
        return Statistics(self._average_of(commit), self._estimator.batches, values)

    def _estimate(self, resolution: int) -> None:
        """Has the snapshot the statistics of a resolution, if any are estimated."""
        known = self._estimated is not None and self._estimated[0] == resolution
        if self._estimator and not known:
            self._estimated = resolution, self._estimator.estimate(resolution)

    def _average_of(self, commit: int) -> str:
        averaging = self._shared_model.averaging
        return averaging.rule if averaging and averaging.has_begun(commit) else "none"

    def _in_words(self, commit: int) -> str:
        averaging, estimator = self._shared_model.averaging, self._estimator
        return weights_in_words(
            self._average_of(commit),
            averaging.epochs if averaging else 0.0,
            estimator.batches if estimator else 0,
        )


class Evaluations:
    """Evaluates the weights of certain commits while the training goes on.

    Args:
        evaluator: of a snapshot of the weights.
        calendar: knows the epoch of a commit.
        report: called with each record.
        keep: called with a commit and the statistics estimated for its weights, before the record
            of the evaluation that needed them.
        fail: called with the error if one fails.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        calendar: Calendar,
        report: Callable[[EvaluationRecord], None],
        keep: Callable[[int, Statistics], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._evaluator = evaluator
        self._calendar = calendar
        self._report = report
        self._keep = keep
        self._background = Background(fail)

    @property
    def busy(self) -> bool:
        """Whether an evaluation is going on."""
        return self._background.busy

    def wait(self, timeout: float | None = None) -> None:
        """Waits until the evaluation going on has ended, at most `timeout` seconds."""
        self._background.wait(timeout)

    def begin(
        self, commit: int, due: Sequence[tuple[Split, int]], noise: Measurement | None = None
    ) -> None:
        """Takes a snapshot and begins to evaluate it; call `wait` first, as there is one snapshot.

        Args:
            commit: the commit of the weights.
            due: splits and resolutions, in turn; see `Evaluator.due`. None: no snapshot is taken.
            noise: what is measured of the same weights afterwards; None: nothing.
        """
        if due:
            self._evaluator.snapshot()
        if noise is not None:
            noise.keep()

        def go_on() -> None:
            self._evaluate(commit, due)
            if noise is not None:
                noise.measure()

        self._background.start(go_on)

    def _evaluate(self, commit: int, due: Sequence[tuple[Split, int]]) -> None:
        for split, resolution in due:
            epoch = self._calendar.epochs_done(commit)
            record = self._evaluator.evaluate(commit, epoch, resolution, split)
            if not math.isfinite(record.test_loss):
                raise diverged(
                    f"the weights of commit {commit} give {split}_loss={record.test_loss}"
                )
            statistics = self._evaluator.statistics(commit)
            if statistics is not None:
                self._keep(commit, statistics)
            self._report(record)


def diverged(observation: str) -> UserError:
    """Returns the error for a training whose loss or weights are no longer finite."""
    return UserError(
        f"the training diverged: {observation}; lower optimizer.base_lr or raise "
        "schedule.warmup_epochs, or look for data that are not finite"
    )
