"""Training time of a batch as a straight line in its size."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class TimeModel:
    """t(B) = a B + b: seconds a worker takes to train a batch of B samples.

    Source: Lu et al., COMPSAC 2022, and arXiv 2509.26092, Eq. 1-3.

    Attributes:
        seconds_per_sample: a, above 0.
        seconds_per_batch: b, above 0; the fixed cost of a step.
    """

    seconds_per_sample: float
    seconds_per_batch: float

    def batch_seconds(self, batch: float) -> float:
        """Returns the seconds of one step with `batch` samples."""
        return self.seconds_per_sample * batch + self.seconds_per_batch

    def training_seconds(self, samples: int, batch: int) -> float:
        """Returns the seconds to train `samples` samples in steps of `batch`, the last one short.

        A short step costs the full `seconds_per_batch`.
        """
        steps = math.ceil(samples / batch)
        return self.seconds_per_sample * samples + self.seconds_per_batch * steps
