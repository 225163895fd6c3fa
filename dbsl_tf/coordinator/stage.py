"""What holds from one plan to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dbsl_tf.planning import DualBatchPlan


@dataclass(frozen=True)
class Stage:
    """A plan and what follows from it; a mini-epoch belongs to one stage from start to merge.

    Attributes:
        plan: batch, samples and steps of every worker.
        batches: per-worker iterator of the batches of such mini-epochs.
        learning_rates: maps an epoch (a float) to the learning rate of every worker.
    """

    plan: DualBatchPlan
    batches: Iterator
    learning_rates: Callable[[float], Sequence[float]]

    @property
    def steps(self) -> np.ndarray:
        """Steps of every worker, int64 [workers]."""
        return np.array([worker.steps for worker in self.plan.workers], np.int64)
