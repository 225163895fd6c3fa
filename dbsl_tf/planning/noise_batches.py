"""Which batches the noise is measured with, and what their gradients cost."""

from __future__ import annotations

import math

from dbsl_tf.planning.dual_batch import DualBatchPlan
from dbsl_tf.planning.time_model import TimeModel

# Large batches of one measurement; more where every worker has one.
_FEWEST = 8
# A small batch is this part of a large one where no worker has a smaller one.
_SMALL_PART = 4


def batches_each(workers: int) -> int:
    """Returns of how many large batches each worker takes the gradients in a measurement."""
    return math.ceil(_FEWEST / workers)


def small_batch_of(plan: DualBatchPlan, large_batch: int) -> int:
    """Returns the small batch to measure with: B_S, or a quarter of B_L where none is smaller."""
    small = plan.small_batches[0] if plan.count("small") else large_batch
    return small if small < large_batch else max(1, large_batch // _SMALL_PART)


def noise_seconds(model: TimeModel, plan: DualBatchPlan, large_batch: int) -> float:
    """Returns the seconds that a worker takes for its part of a measurement.

    Args:
        model: of the worker.
        plan: of the epoch.
        large_batch: B_L.
    """
    samples = batches_each(len(plan.workers)) * large_batch
    small_batch = small_batch_of(plan, large_batch)
    return sum(model.training_seconds(samples, batch) for batch in (large_batch, small_batch))
