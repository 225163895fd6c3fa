"""The learning rate over a run, and how it follows a worker's batch size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbsl_tf.config import Config


@dataclass(frozen=True)
class LearningRateSchedule:
    """Linear warm-up, then a factor at every milestone.

    Time is counted in epochs: the mini-epochs handed out before over those of an epoch (one for
    each worker), so it need not be whole. A mini-epoch keeps the rate it started with.

    Attributes:
        base_learning_rate: rate after the warm-up and before the first milestone.
        milestones: epochs, rising; from each on the rate is multiplied by `gamma`.
        gamma: factor at a milestone.
        warmup_epochs: length of the warm-up in epochs; 0 for none.
        commits_per_epoch: mini-epochs in an epoch, n. The warm-up rises in as many equal steps
            as it has mini-epochs: the first trains with one step's worth, not with 0, and the
            last with the full rate.
    """

    base_learning_rate: float
    milestones: tuple[float, ...] = ()
    gamma: float = 0.1
    warmup_epochs: float = 0.0
    commits_per_epoch: int = 1

    def learning_rate(self, epoch: float) -> float:
        """Returns the rate of a mini-epoch that starts at `epoch` (0 is the start of the run)."""
        passed = sum(epoch >= milestone for milestone in self.milestones)
        return self.base_learning_rate * self.gamma**passed * self._warmup(epoch)

    def _warmup(self, epoch: float) -> float:
        if epoch >= self.warmup_epochs:
            return 1.0
        return min(1.0, (epoch + 1 / self.commits_per_epoch) / self.warmup_epochs)


def schedule_from_config(config: Config) -> LearningRateSchedule:
    """Returns the schedule of a configuration."""
    return LearningRateSchedule(
        base_learning_rate=config.optimizer.base_lr,
        milestones=config.schedule.milestones,
        gamma=config.schedule.gamma,
        warmup_epochs=config.schedule.warmup_epochs,
        commits_per_epoch=config.cluster.workers,
    )


def scale_factor(scaling: str, batch: int, base_batch: int) -> float:
    """Returns what the learning rate of `base_batch` is multiplied by for batches of `batch`.

    Args:
        scaling: "none" 1, "linear" batch / base_batch, "sqrt" the square root of that.
        batch: samples in a batch of the worker.
        base_batch: samples in the batch that the base learning rate was chosen for.
    """
    ratio = batch / base_batch
    return {"none": 1.0, "linear": ratio, "sqrt": math.sqrt(ratio)}[scaling]
