"""The dual-batch plan, from a time model and Eq. 4-8 of the papers. No TensorFlow."""

from dbsl_tf.planning.dual_batch import DualBatchPlan, WorkerPlan
from dbsl_tf.planning.progressive import PlannedSubStage, TrainingSchedule
from dbsl_tf.planning.request import PlanRequest
from dbsl_tf.planning.solving import plan_dual_batch, plan_with_batches
from dbsl_tf.planning.time_model import TimeModel

__all__ = [
    "PlanRequest",
    "DualBatchPlan",
    "PlannedSubStage",
    "TimeModel",
    "TrainingSchedule",
    "WorkerPlan",
    "plan_dual_batch",
    "plan_with_batches",
]
