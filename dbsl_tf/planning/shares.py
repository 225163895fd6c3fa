"""Eq. 4-8: how an epoch is divided between equal workers with a large or a small batch.

Sources: Lu et al., COMPSAC 2022; arXiv 2509.26092. Both publish the same equations and round
differently, so the rule is an argument. All arithmetic is on fractions: in floating point
1.15 x 50000 / 4 is 14374.999999999998, and a rule that truncates would see such noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from dbsl_tf.planning.request import PlanRequest


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
    """Returns the function behind a `rounding` of `PlanRequest`.

    "floor" truncates. "nearest" takes the even one of two whole numbers that are equally near, as
    the program that the journal article's results come from does.
    """
    return {"floor": math.trunc, "nearest": lambda value: round(value)}[name]


def divide(request: PlanRequest, extra_time_ratio: Fraction) -> Shares:
    """Solves Eq. 4-8 for an extra training time ratio k >= 1; time models are taken as equal.

    With R, the rounding rule, and in this order:

        d_L = R(k d / n)
        d_S = R((d - n_L d_L) / n_S), of the rounded d_L
        B_S = R(b / ((a + b / B_L) (k d / n) / d_S - a)), of the rounded d_S, but not of d_L

    Rounding can leave d_S a little above k d / n, hence B_S above B_L, when k is close to 1: B_S is
    then B_L. k = 1, which asks for no more time, always has a solution: B_S is B_L then, though a
    rounded d_S can give less, and d_S at least 1. Without small workers d_L is d / n, whatever k.
    """
    whole = rounding_rule(request.rounding)
    workers, small_workers = request.workers, request.small_workers
    samples = request.mini_epoch_samples
    if small_workers == 0:
        return Shares(whole(samples / workers), 0, 0)
    no_more_time = extra_time_ratio == 1
    large_share = extra_time_ratio * samples / workers
    large = whole(large_share)
    left = samples - (workers - small_workers) * large
    small = max(int(no_more_time), whole(Fraction(left, small_workers)))
    if no_more_time:
        return Shares(large, small, request.large_batch)
    batch = whole(_small_batch(request, large_share, small))
    return Shares(large, small, min(request.large_batch, batch))


def _small_batch(request: PlanRequest, large: Fraction, small: int) -> Fraction:
    """Returns the batch size that makes `small` samples take as long as `large` with B_L."""
    if small <= 0:
        return Fraction(0)
    time_model = request.time_models[0]
    a, b = exact(time_model.seconds_per_sample), exact(time_model.seconds_per_batch)
    per_batch_sample = (a + b / request.large_batch) * large / small - a
    # Not positive only when rounding put `small` above `large`; any batch is then fast enough.
    return b / per_batch_sample if per_batch_sample > 0 else Fraction(request.large_batch)


def solvable(request: PlanRequest, extra_time_ratio: Fraction) -> bool:
    """Returns whether the small workers get at least one sample and a batch of at least 1."""
    shares = divide(request, extra_time_ratio)
    return request.small_workers == 0 or min(shares.small_samples, shares.small_batch) >= 1
