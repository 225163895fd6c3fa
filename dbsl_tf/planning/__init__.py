"""The dual-batch plan, from a time model and Eq. 4-8 of the papers. No TensorFlow."""

from dbsl_tf.planning.dual_batch import (
    DualBatchPlan,
    WorkerPlan,
    plan_dual_batch,
    plan_from_config,
)
from dbsl_tf.planning.shares import Demand
from dbsl_tf.planning.time_model import TimeModel

__all__ = [
    "Demand",
    "DualBatchPlan",
    "TimeModel",
    "WorkerPlan",
    "plan_dual_batch",
    "plan_from_config",
]
