"""Evaluation of the global weights on the whole test set, beside the training."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import numpy as np

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.patience import UsualTimes
from dbsl_tf.engine.background import Background
from dbsl_tf.engine.closure import Closure
from dbsl_tf.engine.engine import Engine
from dbsl_tf.results.records import EvaluationRecord
from dbsl_tf.schedules.calendar import Calendar
from dbsl_tf.shared_model.shared_model import SharedModel
from dbsl_tf.training.objective import Objective


class Evaluator:
    """Evaluates snapshots of the global weights; the workers share the test set.

    Args:
        engine: the connected cluster.
        shared_model: whose weights are evaluated.
        objective: of the closures.
        closures: see `evaluation_closure`; one for each evaluated resolution.
        test_samples: size of the test set.
        worker_timeout: seconds that a share may take before another worker gets it too; None:
            judged by what is usual, see `UsualTimes`.
    """

    def __init__(
        self,
        engine: Engine,
        shared_model: SharedModel,
        objective: Objective,
        closures: Mapping[int, Closure],
        test_samples: int,
        worker_timeout: float | None = None,
    ) -> None:
        self._engine = engine
        self._shared_model = shared_model
        self._objective = objective
        self._closures = closures
        self._test_samples = test_samples
        self._times = {
            resolution: UsualTimes(engine.limits, worker_timeout) for resolution in closures
        }

    def warm_up(self) -> None:
        """Makes every worker load the closures; nothing is evaluated."""
        nothing = (np.int64(0), np.int64(0))
        for closure in self._closures.values():
            self._engine.call_each(closure, [nothing] * self._engine.workers)

    @property
    def highest(self) -> int:
        """The highest resolution, at which every evaluation is made."""
        return max(self._closures)

    def resolutions(self, trained: int) -> list[int]:
        """Returns the resolutions to evaluate at, ending with the highest, which is always there.

        Args:
            trained: resolution of the training images now.
        """
        return [*({trained} & self._closures.keys() - {self.highest}), self.highest]

    def snapshot(self) -> int:
        """Copies the weights for `evaluate` to use; returns the number of their commit."""
        return self._shared_model.take_snapshot()

    def evaluate(self, commit: int, epoch: int, resolution: int) -> EvaluationRecord:
        """Evaluates the snapshot: one share of the test set for each worker, every sample once.

        Args:
            commit: number of the commit that the snapshot holds.
            epoch: epochs completed by then.
            resolution: one of those of `closures`.

        Raises:
            ParameterServerLost: a parameter server was lost.
        """
        closure = self._closures[resolution]
        started, began = time.time(), time.monotonic()
        bounds = np.linspace(0, self._test_samples, self._engine.workers + 1).astype(np.int64)
        shares = [share for share in zip(bounds[:-1], bounds[1:]) if share[0] < share[1]]
        times = self._times[resolution]
        sums = self._engine.call_each(closure, shares, times.patience(expected=1.0))
        seconds = time.monotonic() - began
        times.observe(0, seconds, expected=1.0)
        samples = sum(int(part.samples) for part in sums)
        if samples != self._test_samples:
            raise RuntimeError(f"evaluated {samples} samples of {self._test_samples}")
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
        )


class Evaluations:
    """Evaluates the weights of certain commits while the training goes on.

    Args:
        evaluator: of a snapshot of the weights.
        calendar: knows the epoch of a commit.
        report: called with each record.
        fail: called with the error if one fails.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        calendar: Calendar,
        report: Callable[[EvaluationRecord], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._evaluator = evaluator
        self._calendar = calendar
        self._report = report
        self._background = Background(fail)

    @property
    def busy(self) -> bool:
        """Whether an evaluation is going on."""
        return self._background.busy

    def wait(self, timeout: float | None = None) -> None:
        """Waits until the evaluation going on has ended, at most `timeout` seconds."""
        self._background.wait(timeout)

    def begin(self, commit: int, resolution: int) -> None:
        """Takes a snapshot and begins to evaluate it; call `wait` first, as there is one snapshot.

        Args:
            commit: the commit of the weights.
            resolution: of the training images; see `Evaluator.resolutions`.
        """
        self._evaluator.snapshot()
        self._background.start(lambda: self._evaluate(commit, resolution))

    def _evaluate(self, commit: int, resolution: int) -> None:
        for evaluated_at in self._evaluator.resolutions(resolution):
            epoch = self._calendar.epochs_done(commit)
            record = self._evaluator.evaluate(commit, epoch, evaluated_at)
            if not math.isfinite(record.test_loss):
                raise diverged(f"the weights of commit {commit} give test_loss={record.test_loss}")
            self._report(record)


def diverged(observation: str) -> UserError:
    """Returns the error for a training whose loss or weights are no longer finite."""
    return UserError(
        f"the training diverged: {observation}; lower optimizer.base_lr or raise "
        "schedule.warmup_epochs"
    )
