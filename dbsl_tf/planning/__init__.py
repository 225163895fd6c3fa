"""The dual-batch plan, from a time model and Eq. 4-8 of the papers. No TensorFlow."""

from dbsl_tf.planning.demand import Demand
from dbsl_tf.planning.dual_batch import DualBatchPlan, WorkerPlan
from dbsl_tf.planning.from_config import demand_from_config, plan_from_config
from dbsl_tf.planning.progressive import (
    PlannedSubStage,
    TrainingSchedule,
    schedule_plan_from_config,
)
from dbsl_tf.planning.solving import plan_dual_batch
from dbsl_tf.planning.time_model import TimeModel

__all__ = [
    "Demand",
    "DualBatchPlan",
    "PlannedSubStage",
    "TimeModel",
    "TrainingSchedule",
    "WorkerPlan",
    "demand_from_config",
    "plan_dual_batch",
    "plan_from_config",
    "schedule_plan_from_config",
]
