"""Eq. 4-8: how an epoch is divided between equal workers with a large or a small batch.

Sources: Lu et al., COMPSAC 2022; arXiv 2509.26092. Both publish the same equations and round
differently, so the rule is an argument. All arithmetic is on fractions: in floating point
1.1 x 50000 / 4 is 13750.000000000002, and a rule that truncates would see such noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from dbsl_tf.planning.request import PlanRequest

_HALF = Fraction(1, 2)


@dataclass(frozen=True)
class Shares:
    """The whole numbers Eq. 4-8 lead to, not yet checked: 0 or less means there is no solution.

    Attributes:
        large_samples: samples a large-batch worker trains in an epoch, d_L.
        small_samples: the same of a small-batch worker, d_S; 0 without small workers.
        small_batch: B_S; 0 without small workers.
    """

    large_samples: int
    small_samples: int
    small_batch: int


def exact(value: float) -> Fraction:
    """Returns the decimal number that `value` is written as: 0.1 gives 1/10."""
    return Fraction(str(float(value)))


def rounding_rule(name: str) -> Callable[[Fraction], int]:
    """Returns the function behind a `rounding` of `PlanRequest`."""
    return {"floor": math.floor, "nearest": lambda value: math.floor(value + _HALF)}[name]


def divide(request: PlanRequest, extra_time_ratio: Fraction) -> Shares:
    """Solves Eq. 4-8 for an extra training time ratio k >= 1; time models are taken as equal.

    d_L = k d / n,  d_S = (d - n_L d_L) / n_S,  B_S = b / ((a + b / B_L) d_L / d_S - a).

    "floor" truncates each quantity and goes on with the truncated one; "nearest" rounds the
    three exact results. Truncation can leave d_S a little above d_L, hence B_S above B_L, when k
    is close to 1: B_S is then B_L. Without small workers d_L is d / n, whatever k.
    """
    whole = rounding_rule(request.rounding)
    workers, small_workers = request.workers, request.small_workers
    if small_workers == 0:
        return Shares(whole(Fraction(request.samples, workers)), 0, 0)
    large = extra_time_ratio * request.samples / workers
    if request.rounding == "floor":
        large = Fraction(whole(large))
    small = (request.samples - (workers - small_workers) * large) / small_workers
    if request.rounding == "floor":
        small = Fraction(whole(small))
    batch = min(Fraction(request.large_batch), _small_batch(request, large, small))
    return Shares(whole(large), whole(small), whole(batch))


def _small_batch(request: PlanRequest, large: Fraction, small: Fraction) -> Fraction:
    """Returns the batch size that makes `small` samples take as long as `large` with B_L."""
    if small <= 0:
        return Fraction(0)
    time_model = request.time_models[0]
    a, b = exact(time_model.seconds_per_sample), exact(time_model.seconds_per_batch)
    per_batch_sample = (a + b / request.large_batch) * large / small - a
    # Not positive only when truncation put `small` above `large`; any batch is then fast enough.
    return b / per_batch_sample if per_batch_sample > 0 else Fraction(request.large_batch)


def solvable(request: PlanRequest, extra_time_ratio: Fraction) -> bool:
    """Returns whether the small workers get at least one sample and a batch of at least 1."""
    shares = divide(request, extra_time_ratio)
    return request.small_workers == 0 or min(shares.small_samples, shares.small_batch) >= 1
