"""The range of batch sizes in which a time model will be used, and the mixes of sizes to time."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median_low

from dbsl_tf.common.errors import UserError
from dbsl_tf.planning import TimeModel
from dbsl_tf.resolved import RunSettings


def operating_sizes(
    settings: RunSettings,
    time_models: Sequence[TimeModel] | None,
    scan: Sequence[int],
    resolution: int | None = None,
) -> tuple[int, int]:
    """Returns the smaller and the larger batch between which the time model will be used.

    The larger one is B_L and the smaller one is B_S of the plan, or the middle one of several B_S.
    The smaller one is at most half of the larger one, because sizes too close together do not
    determine a line; it is exactly half if no worker has a small batch. Without a plan it is the
    smallest size of the scan.

    Args:
        settings: the settings of the plan; `profile.max_batch` bounds the larger size.
        time_models: one for each worker, from the scan; None: no plan can be made from them.
        scan: the sizes measured before, in increasing order.
        resolution: one of the run's resolutions; None: the highest.
    """
    part = settings.highest if resolution is None else settings.by_resolution[resolution]
    large = min(part.large_batch, scan[-1])
    small = scan[0]
    if time_models is not None:
        try:
            plan = settings.plan(time_models, resolution)
        except UserError:
            # Reported when the plan is made from the finished profile, which is what counts.
            pass
        else:
            small = median_low(
                [worker.batch for worker in plan.workers if worker.role == "small"] or [large]
            )
    return max(1, min(small, large // 2)), large


def operating_mixes(workers: int, small_workers: int, sizes: tuple[int, int]) -> list[list[int]]:
    """Returns the batch of each worker in every mix that has to be timed.

    Workers slow each other down, and how much depends on what they do. So small and large batches
    are timed together, all workers are timed with the large batch as in the baseline, and the
    roles are swapped, so that every worker is timed with both sizes.

    Args:
        workers: n.
        small_workers: n_S; the first ones are the small ones.
        sizes: the smaller and the larger batch.
    """
    small, large = sizes
    all_large = [large] * workers
    planned = [small if worker < small_workers else large for worker in range(workers)]
    mixes = [all_large]
    for mix in (planned, [small + large - batch for batch in planned]):
        if mix not in mixes:
            mixes.append(mix)
    return mixes
