"""What a worker is sent with a mini-epoch, and what it sends back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class Orders(NamedTuple):
    """What differs between the workers; whichever takes the mini-epoch picks its own entry.

    Arrays where it is ordered, tensors in the closure; [workers] each.
    """

    steps: Any  # int64
    learning_rates: Any  # float32
    seeds: Any  # int64, of dropout
    allowed: Any  # bool: whether it may begin

    @classmethod
    def of(
        cls,
        steps: Sequence[int],
        learning_rates: Sequence[float],
        seeds: Sequence[int],
        allowed: Sequence[bool],
    ) -> Orders:
        """The arrays."""
        return cls(
            np.array(steps, np.int64),
            np.array(learning_rates, np.float32),
            np.array(seeds, np.int64),
            np.array(allowed, bool),
        )

    @classmethod
    def same(cls, steps: Sequence[int], learning_rate: float = 0.0) -> Orders:
        """Orders that differ by steps alone; a mini-epoch of no steps loads the closure."""
        workers = len(steps)
        return cls.of(steps, [learning_rate] * workers, [0] * workers, [True] * workers)


class MiniEpochResult(NamedTuple):
    """What comes back of a mini-epoch; scalars, tensors in the closure and numpy values after it.

    Where it was not trained, as the worker was not allowed to begin or the weights to begin with
    were gone, only the worker counts.
    """

    trained: Any  # bool
    worker: Any  # int64, index of the worker
    loss: Any  # float32, cross-entropy summed over the samples
    correct: Any  # int64, samples classified correctly while training
    samples: Any  # int64
    finite: Any  # bool, whether loss and weights are
    started: Any  # float64, when it began to pull, Unix time in seconds of the worker's clock
    seconds: Any  # float64, from then to the end of the push
    loop_seconds: Any  # float64, of `seconds`, those in the steps alone
