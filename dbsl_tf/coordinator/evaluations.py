"""Evaluations beside the training, one at a time."""

from __future__ import annotations

import math
from collections.abc import Callable

from dbsl_tf.common.errors import UserError
from dbsl_tf.coordinator.evaluator import Evaluator
from dbsl_tf.engine.background import Background
from dbsl_tf.results.records import EvaluationRecord
from dbsl_tf.schedules.calendar import Calendar


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
