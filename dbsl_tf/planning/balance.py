"""Shares and batches of workers that differ in speed or have an overhead: all finish together.

The general form of Eq. 4-8 (Lu et al., COMPSAC 2022; arXiv 2509.26092). Worker i has a_i, b_i
and c_i of its own and takes a_i d_i + b_i ceil(d_i / B_i) + c_i seconds for d_i samples, whole
steps counted. With E_i(T) the samples it has time for in T seconds with the large batch:

- T_0 is the baseline, all large: the least T whose E_i(T) come to d together. T = k T_0.
- A large worker trains E_i(T). The rest of d is divided among the small ones in proportion to
  what they would train as large ones, so all have the same part phi = d_i / E_i(T) of it, and the
  same time pays for B_i = b_i phi / (p_i - a_i phi), where p_i = a_i + b_i / B_L.
- With equal workers, c = 0 and no account of whole steps this is Eq. 4-8, where phi = d_S / d_L.

A batch is a whole number, so its worker would miss T by up to a large part of it where batches
are small. The shares are therefore fitted once more to the whole batches: all workers finish
together, as near k T_0 as such batches come, with d samples exactly.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from dbsl_tf.planning.time_model import TimeModel

_PRECISION = 1e-12  # of a point in time, relative
_TOLERANCE = 1e-6  # by which a share or a batch may fall below 1


@dataclass(frozen=True)
class Balance:
    """Batches and shares with which all workers finish together.

    Attributes:
        batches: samples in a batch of each worker, B_i.
        shares: samples each worker trains in a mini-epoch, d_i; at least 1, d together.
        full_shares: samples each would train in the same time with the large batch; not whole.
    """

    batches: tuple[int, ...]
    shares: tuple[int, ...]
    full_shares: tuple[float, ...]


@lru_cache(maxsize=1024)
def finishing_seconds(
    models: tuple[TimeModel, ...], batches: tuple[int, ...], samples: int
) -> float:
    """Returns the least time in which the workers train `samples` samples together."""
    early = 0.0
    late = min(model.mini_epoch_seconds(samples, batch) for model, batch in zip(models, batches))
    while late - early > _PRECISION * late:
        middle = (early + late) / 2
        if sum(shares_within(models, batches, middle)) < samples:
            early = middle
        else:
            late = middle
    return late


def shares_within(
    models: Sequence[TimeModel], batches: Sequence[int], seconds: float
) -> list[float]:
    """Returns the most samples each worker has time for in `seconds`; not whole numbers."""
    return [model.samples_within(seconds, batch) for model, batch in zip(models, batches)]


def whole_shares(shares: Sequence[float], samples: int) -> tuple[int, ...]:
    """Rounds `shares` to whole numbers of at least 1 whose sum is `samples`.

    Hamilton's method of largest remainders: a share moves by less than 1, unless it is below 1.
    Of equal remainders the first goes up.
    """
    whole = [max(1, math.floor(share)) for share in shares]
    missing = samples - sum(whole)
    step = 1 if missing > 0 else -1
    # The largest remainders go up first, or where there are too many the smallest go down.
    movable = [
        (step * (number - share), index)
        for index, (share, number) in enumerate(zip(shares, whole))
        if number + step >= 1
    ]
    heapq.heapify(movable)
    for _ in range(abs(missing)):
        distance, index = heapq.heappop(movable)
        whole[index] += step
        if whole[index] + step >= 1:
            heapq.heappush(movable, (distance + 1, index))
    return tuple(whole)


def equal_batches(models: tuple[TimeModel, ...], batch: int, samples: int) -> Balance:
    """Returns the balance of workers that all have the same batch."""
    return with_batches(models, (batch,) * len(models), batch, samples)


def idle_worker(models: tuple[TimeModel, ...], batch: int, samples: int) -> int | None:
    """Returns the first worker too slow for one sample before the others finish all, or None."""
    batches = (batch,) * len(models)
    shares = shares_within(models, batches, finishing_seconds(models, batches, samples))
    return next((index for index, share in enumerate(shares) if share < 1 - _TOLERANCE), None)


def dual_batches(
    models: tuple[TimeModel, ...], small: Sequence[float], large_batch: int, samples: int
) -> Balance:
    """Returns the balance whose first workers have the batches `small`, made whole."""
    batches = [_nearest_in_time(batch, large_batch) for batch in small]
    batches += [large_batch] * (len(models) - len(small))
    return with_batches(models, tuple(batches), large_batch, samples)


def small_batches(
    models: tuple[TimeModel, ...], small_workers: int, large_batch: int, samples: int, ratio: float
) -> list[float]:
    """Returns the batches B_i of the small workers that make all finish at k T_0; not whole.

    The part phi falls as k grows, and with it every batch.

    Args:
        models: time model of each worker; the first `small_workers` are those of the small ones.
        small_workers: n_S, at least 1.
        large_batch: B_L.
        samples: d, with `idle_worker` None for them.
        ratio: k, at least 1.

    Returns:
        One batch a small worker; all 0 if k leaves one of them less than a sample.
    """
    large = (large_batch,) * len(models)
    # Even with n_S = n no larger k has a batch of 1: a sample then takes up to B_L times as long.
    ratio = min(ratio, 2.0 * (large_batch + 1))
    full = shares_within(models, large, ratio * finishing_seconds(models, large, samples))
    part = (samples - sum(full[small_workers:])) / sum(full[:small_workers])
    if part * min(full[:small_workers]) < 1 - _TOLERANCE:
        return [0.0] * small_workers
    return [_small_batch(model, large_batch, part) for model in models[:small_workers]]


def usable(small: Sequence[float]) -> bool:
    """Returns whether no batch of `small_batches` is below 1."""
    return min(small) >= 1 - _TOLERANCE


def _small_batch(model: TimeModel, large_batch: int, part: float) -> float:
    """Returns the batch that makes `part` of a share take as long as all of it with B_L."""
    a, b = model.seconds_per_sample, model.seconds_per_batch
    per_sample = a + b / large_batch
    return b * part / (per_sample - a * part)


def _nearest_in_time(batch: float, large_batch: int) -> int:
    """Returns the whole number from 1 to B_L whose seconds a sample, a + b / B, are nearest."""
    below = max(1, math.floor(batch))
    harmonic_mean = 2 * below * (below + 1) / (2 * below + 1)
    return min(large_batch, below if batch < harmonic_mean else below + 1)


def with_batches(
    models: tuple[TimeModel, ...], batches: tuple[int, ...], large_batch: int, samples: int
) -> Balance:
    """Returns the balance of workers whose batches are settled: only the shares follow."""
    seconds = finishing_seconds(models, batches, samples)
    return Balance(
        batches,
        whole_shares(shares_within(models, batches, seconds), samples),
        tuple(model.samples_within(seconds, large_batch) for model in models),
    )
