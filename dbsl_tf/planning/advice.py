"""What is known of how many workers should be small ones."""

from __future__ import annotations

from collections.abc import Iterable

# Smaller batches are mostly fixed cost, and their batch statistics are noisy.
LEAST_ADVISED_BATCH = 16
# With as many of four and of eight workers small, the authors' runs came out best.
_BEST_PART = 0.75
_FEW_PART = 0.25
_FEWEST_WORKERS = 4


def nearest_to_advised(candidates: Iterable[int], workers: int) -> int:
    """Returns the number of small workers, n_S, that is nearest to three quarters of `workers`.

    Args:
        candidates: to choose from; of two that are equally near the smaller is chosen.
        workers: n.
    """
    return min(sorted(candidates), key=lambda small: abs(small - _BEST_PART * workers))


def few_small_workers(small_workers: int, workers: int) -> str | None:
    """Returns a sentence where only one worker in four or fewer is small; else None.

    Source: results of the authors' runs with eight workers, one run each.
    """
    few = 0 < small_workers <= _FEW_PART * workers
    if not few or workers < _FEWEST_WORKERS:
        return None
    more = nearest_to_advised(range(1, workers + 1), workers)
    return (
        f"Few small workers can do harm: in the authors' runs with eight workers and k = 1.05, "
        "accuracy was 59.9 % with one small worker and 54.0 % with two, but 64.5 % without and "
        f"66.3 to 68.8 % with three to eight; try dual_batch.small_workers={more}, or 0."
    )
