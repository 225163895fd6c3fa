"""Training time of a batch as a straight line in its size, and of a mini-epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class TimeModel:
    """t(B) = a B + b: seconds a worker takes to train a batch of B samples.

    Source: Lu et al., COMPSAC 2022, and arXiv 2509.26092, Eq. 1-3. The papers leave out what a
    mini-epoch costs beyond its steps (c here): pulling, pushing and merging the weights.

    Attributes:
        seconds_per_sample: a, above 0.
        seconds_per_batch: b, above 0; the fixed cost of a step.
        seconds_per_mini_epoch: c, at least 0.
    """

    seconds_per_sample: float
    seconds_per_batch: float
    seconds_per_mini_epoch: float = 0.0

    def batch_seconds(self, batch: float) -> float:
        """Returns the seconds of one step with `batch` samples."""
        return self.seconds_per_sample * batch + self.seconds_per_batch

    def training_seconds(self, samples: int, batch: int) -> float:
        """Returns the seconds to train `samples` samples in steps of `batch`, the last one short.

        A short step costs the full `seconds_per_batch`.
        """
        steps = math.ceil(samples / batch)
        return self.seconds_per_sample * samples + self.seconds_per_batch * steps

    def mini_epoch_seconds(self, samples: int, batch: int) -> float:
        """Returns a samples + b ceil(samples / batch) + c: `training_seconds` and the overhead."""
        return self.training_seconds(samples, batch) + self.seconds_per_mini_epoch

    def samples_within(self, seconds: float, batch: int) -> float:
        """Returns the most samples a mini-epoch of `seconds` has time for, in steps of `batch`.

        The inverse of `mini_epoch_seconds`, on real numbers. It rises with `seconds`, and stands
        still while the time of a further step's `seconds_per_batch` passes.
        """
        training = max(0.0, seconds - self.seconds_per_mini_epoch)
        full_steps = math.floor(training / self.batch_seconds(batch))
        rest = training - full_steps * self.batch_seconds(batch)
        last = (rest - self.seconds_per_batch) / self.seconds_per_sample
        return full_steps * batch + min(max(last, 0.0), float(batch))
