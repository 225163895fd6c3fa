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


class Evaluator:
    """Evaluates snapshots of the global weights, spread over the workers.

    Args:
        engine: the connected cluster.
        shared_model: whose weights are evaluated.
        closures: see `evaluation_closure`; one for each resolution to be evaluated at.
        test_samples: size of the test set.
        worker_timeout: seconds that a share may take before another worker gets it too; None:
            as usual, see `UsualTimes`.
    """

    def __init__(
        self,
        engine: Engine,
        shared_model: SharedModel,
        closures: Mapping[int, Closure],
        test_samples: int,
        worker_timeout: float | None = None,
    ) -> None:
        self._engine = engine
        self._shared_model = shared_model
        self._closures = closures
        self._test_samples = test_samples
        self._times = {
            resolution: UsualTimes(engine.limits, worker_timeout) for resolution in closures
        }

    def warm_up(self) -> None:
        """Have every worker load the closures."""
        nothing = (np.int64(0), np.int64(0))
        for closure in self._closures.values():
            self._engine.call_each(closure, [nothing] * self._engine.workers)

    @property
    def highest(self) -> int:
        """The highest resolution, at which every evaluation is made."""
        return max(self._closures)

    def resolutions(self, trained: int) -> list[int]:
        """At which resolutions to evaluate now, the highest always and last.

        Args:
            trained: that of the training images now.
        """
        return [*({trained} & self._closures.keys() - {self.highest}), self.highest]

    def snapshot(self) -> int:
        """Fix the weights that `evaluate` will see; the number of their commit."""
        return self._shared_model.take_snapshot()

    def evaluate(self, commit: int, epoch: int, resolution: int) -> EvaluationRecord:
        """Evaluate the snapshot of `commit`: one share for each worker, every sample once."""
        closure = self._closures[resolution]
        started, began = time.time(), time.monotonic()
        bounds = np.linspace(0, self._test_samples, self._engine.workers + 1).astype(np.int64)
        shares = [share for share in zip(bounds[:-1], bounds[1:]) if share[0] < share[1]]
        times = self._times[resolution]
        sums = self._engine.call_each(closure, shares, times.patience(expected=1.0))
        seconds = time.monotonic() - began
        times.took(0, seconds, expected=1.0)
        samples = sum(int(part.samples) for part in sums)
        if samples != self._test_samples:
            raise RuntimeError(f"evaluated {samples} samples of {self._test_samples}")
        return EvaluationRecord(
            started=started,
            commit=commit,
            epoch=epoch,
            resolution=resolution,
            test_loss=sum(float(part.loss) for part in sums) / samples,
            test_accuracy=sum(int(part.correct) for part in sums) / samples,
            samples=samples,
            seconds=seconds,
        )


class Evaluations:
    """Evaluates the weights of certain commits while the training goes on.

    Args:
        evaluator: of a snapshot of the weights.
        calendar: tells the epoch of a commit.
        tell: given each record.
        fail: given what goes wrong.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        calendar: Calendar,
        tell: Callable[[EvaluationRecord], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._evaluator = evaluator
        self._calendar = calendar
        self._tell = tell
        self._background = Background(fail)

    @property
    def busy(self) -> bool:
        """Whether one is going on."""
        return self._background.busy

    def wait(self, timeout: float | None = None) -> None:
        """Wait for the one before, `timeout` seconds at most: there is one snapshot."""
        self._background.wait(timeout)

    def begin(self, commit: int, resolution: int) -> None:
        """Take a snapshot, and begin to evaluate it; after `wait`.

        Args:
            commit: the commit of the weights.
            resolution: of the images it was trained with; see `Evaluator.resolutions`.
        """
        self._evaluator.snapshot()
        self._background.start(lambda: self._evaluate(commit, resolution))

    def _evaluate(self, commit: int, resolution: int) -> None:
        for evaluated_at in self._evaluator.resolutions(resolution):
            epoch = self._calendar.epochs_done(commit)
            record = self._evaluator.evaluate(commit, epoch, evaluated_at)
            if not math.isfinite(record.test_loss):
                raise diverged(f"the weights of commit {commit} give test_loss={record.test_loss}")
            self._tell(record)


def diverged(observation: str) -> UserError:
    """The error of a training whose loss or weights are not finite any more."""
    return UserError(
        f"the training diverged: {observation}; lower optimizer.base_lr or raise "
        "schedule.warmup_epochs"
    )
