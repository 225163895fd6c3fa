"""Which batch sizes to time where there is no time for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def affordable_sizes(seconds: Mapping[int, float], available: float, least: int = 2) -> list[int]:
    """Returns the sizes to time, in increasing order.

    A line needs sizes that are far apart, so the smallest comes with the largest that there is time
    for, and the others after that, the large ones first: those are nearer to the batches in use.

    Args:
        seconds: what it takes to time each size.
        available: seconds for all of them.
        least: how many there have to be; 1 where others were timed before.

    Returns:
        Sizes that take at most `available` together; none where there is no time for `least`.

    Example:
        >>> affordable_sizes({4: 1.0, 8: 2.0, 16: 4.0, 32: 8.0}, available=12.0)
        [4, 8, 32]
    """
    if not seconds:
        return []
    smallest, *others = sorted(seconds)
    chosen, left = [smallest], available - seconds[smallest]
    for size in reversed(others):
        if seconds[size] <= left:
            chosen.append(size)
            left -= seconds[size]
    return sorted(chosen) if len(chosen) >= least and left >= 0 else []


def thinned(sizes: Sequence[int], count: int) -> list[int]:
    """Returns so many of some sizes, spread evenly over them; the last is always among them.

    Args:
        sizes: in increasing order.
        count: how many, 1 at least; all if there are not more.

    Example:
        >>> thinned([6, 9, 13, 20, 29, 43, 64], 3)
        [9, 29, 64]
    """
    count = min(count, len(sizes))
    return [sizes[round((place + 1) * len(sizes) / count) - 1] for place in range(count)]
