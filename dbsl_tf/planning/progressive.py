"""The plan of a whole run: a dual-batch plan for every resolution, and the time it all takes.

Source: the hybrid of dual-batch and cyclic progressive learning, arXiv 2509.26092, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dbsl_tf.planning.dual_batch import DualBatchPlan
from dbsl_tf.schedules.progressive import SubStage


@dataclass(frozen=True)
class PlannedSubStage:
    """A sub-stage and what every worker trains in each of its mini-epochs.

    Attributes:
        sub_stage: its epochs and settings.
        plan: of a mini-epoch of every worker.
    """

    sub_stage: SubStage
    plan: DualBatchPlan

    @property
    def predicted_seconds(self) -> float:
        """Predicted time of all its epochs, in seconds."""
        return self.sub_stage.epochs * self.plan.epoch_seconds

    def as_dict(self) -> dict[str, Any]:
        """Returns it as JSON values; epochs from 1, the last inclusive, null as in the plan."""
        return {
            "first_epoch": self.sub_stage.first_epoch,
            "last_epoch": self.sub_stage.last_epoch,
            "learning_rate": self.sub_stage.learning_rate,
            "last_learning_rate": self.sub_stage.last_learning_rate,
            "resolution": self.sub_stage.resolution,
            "dropout": self.sub_stage.dropout,
            # A whole number, whatever M is.
            "mini_epochs": int(self.sub_stage.epochs * self.sub_stage.mini_epochs),
            "small_batch": self.plan.small_batch,
            "large_batch": self.plan.large_batch,
            "small_samples": self.plan.small_samples,
            "large_samples": self.plan.large_samples,
            "predicted_seconds": self.predicted_seconds,
        }


@dataclass(frozen=True)
class TrainingSchedule:
    """What all workers do in a whole run.

    Attributes:
        sub_stages: in order; together they are all epochs. Those of the same resolution that are
            merged equally often have the same plan.
    """

    sub_stages: tuple[PlannedSubStage, ...]

    @cached_property
    def plans(self) -> dict[int, DualBatchPlan]:
        """The plan of each resolution, from low to high: of its epochs that are merged most."""
        by_merges = sorted(self.sub_stages, key=lambda part: part.plan.mini_epochs)
        plans = {part.sub_stage.resolution: part.plan for part in by_merges}
        return dict(sorted(plans.items()))

    @property
    def plain(self) -> DualBatchPlan:
        """The plan of the highest resolution: dual-batch training without the hybrid has it."""
        return self.plans[self.highest_resolution]

    @property
    def highest_resolution(self) -> int:
        """Height and width of the largest training images in pixels."""
        return max(self.plans)

    @property
    def epochs(self) -> int:
        """Epochs of the run."""
        return self.sub_stages[-1].sub_stage.last_epoch

    @property
    def predicted_seconds(self) -> float:
        """Predicted time of the run in seconds; evaluations and changes are not counted."""
        return sum(part.predicted_seconds for part in self.sub_stages)

    @property
    def plain_seconds(self) -> float:
        """Predicted time of as many epochs of plain dual-batch, at the highest resolution."""
        return self.epochs * self.plain.epoch_seconds

    @property
    def all_large_seconds(self) -> float:
        """Predicted time of as many epochs of large batches only, at the highest resolution."""
        plain = self.plain
        return self.epochs * float(plain.mini_epochs) * plain.baseline_seconds

    def at(self, epoch: int) -> PlannedSubStage:
        """Returns the sub-stage of an epoch, counted from 1.

        Raises:
            ValueError: the run has no such epoch.
        """
        for part in self.sub_stages:
            if part.sub_stage.first_epoch <= epoch <= part.sub_stage.last_epoch:
                return part
        raise ValueError(f"epoch {epoch} of a run of epochs 1 to {self.epochs}")

    def as_dict(self) -> dict[str, Any]:
        """Returns JSON values: the sub-stages, and the time of the run beside that of others."""
        return {
            "schedule": [part.as_dict() for part in self.sub_stages],
            "schedule_seconds": {
                "predicted": self.predicted_seconds,
                "plain_dual_batch": self.plain_seconds,
                "all_large": self.all_large_seconds,
            },
        }
