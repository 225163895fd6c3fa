"""Schedules for tests that are not about schedules."""

from __future__ import annotations

from dbsl_tf.planning import DualBatchPlan, PlannedSubStage, TrainingSchedule
from dbsl_tf.schedules import ResolutionSettings, SubStage


def constant_schedule(
    plan: DualBatchPlan, epochs: int, resolution: int = 32, dropout: float = 0.0
) -> TrainingSchedule:
    """The same plan at the same resolution from the first epoch to the last."""
    settings = ResolutionSettings(resolution, dropout, plan.large_batch or 1)
    return TrainingSchedule((PlannedSubStage(SubStage(1, epochs, 0.1, 0.1, settings), plan),))
