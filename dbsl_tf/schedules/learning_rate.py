"""The learning rate over a run, and how it follows a worker's batch size."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class LearningRateSchedule:
    """Linear warm-up, then a factor at every milestone or half a cosine.

    With a cosine the rate is base_learning_rate (1 + cos(pi t)) / 2, where t goes from 0 at the
    end of the warm-up to 1 at the end of the run (Loshchilov and Hutter, arXiv 1608.03983, without
    restarts).

    Time is counted in epochs, which need not be whole: see `Calendar.position`. A mini-epoch keeps
    the rate it started with.

    Attributes:
        base_learning_rate: rate after the warm-up and before the first milestone.
        milestones: epochs, rising; from each on the rate is multiplied by `gamma`.
        gamma: factor at a milestone.
        warmup_epochs: length of the warm-up in epochs; 0 for none.
        commits_per_epoch: mini-epochs in an epoch of the warm-up. It rises in as many equal steps
            as it has mini-epochs: the first trains with one step's worth, not with 0, and the
            last with the full rate.
        cosine_epochs: length of the run in epochs, at whose end a cosine is at 0; 0 for none.
    """

    base_learning_rate: float
    milestones: tuple[float, ...] = ()
    gamma: float = 0.1
    warmup_epochs: float = 0.0
    commits_per_epoch: int = 1
    cosine_epochs: float = 0.0

    def learning_rate(self, epoch: float) -> float:
        """Returns the rate of a mini-epoch that starts at `epoch` (0 is the start of the run)."""
        return self.decayed_rate(epoch) * self._warmup(epoch)

    def decayed_rate(self, epoch: float) -> float:
        """Returns the rate at `epoch` as if there were no warm-up."""
        passed = sum(epoch >= milestone for milestone in self.milestones)
        # In decimal numbers 0.2 times 0.1 is 0.02, not 0.020000000000000004.
        rate = Decimal(str(self.base_learning_rate)) * Decimal(str(self.gamma)) ** passed
        return float(rate) * self._cosine(epoch)

    def _cosine(self, epoch: float) -> float:
        length = self.cosine_epochs - self.warmup_epochs
        if length <= 0 or epoch <= self.warmup_epochs:
            return 1.0
        return (1 + math.cos(math.pi * min(1.0, (epoch - self.warmup_epochs) / length))) / 2

    def _warmup(self, epoch: float) -> float:
        if epoch >= self.warmup_epochs:
            return 1.0
        return min(1.0, (epoch + 1 / self.commits_per_epoch) / self.warmup_epochs)


@dataclass(frozen=True)
class LearningRateFunction:
    """Any learning rate over a run.

    Attributes:
        function: maps an epoch, which need not be whole, to the rate before it follows a batch.
    """

    function: Callable[[float], float]

    def learning_rate(self, epoch: float) -> float:
        """Returns the rate of a mini-epoch that starts at `epoch` (0 is the start of the run)."""
        return float(self.function(epoch))

    def decayed_rate(self, epoch: float) -> float:
        """Returns the same."""
        return self.learning_rate(epoch)


LearningRates = LearningRateSchedule | LearningRateFunction


def scale_factor(scaling: str, batch: int, base_batch: int) -> float:
    """Returns what the learning rate of `base_batch` is multiplied by for batches of `batch`.

    Args:
        scaling: "none" 1, "linear" batch / base_batch, "sqrt" the square root of that.
        batch: samples in a batch of the worker.
        base_batch: samples in the batch that the base learning rate was chosen for.
    """
    ratio = batch / base_batch
    return {"none": 1.0, "linear": ratio, "sqrt": math.sqrt(ratio)}[scaling]
