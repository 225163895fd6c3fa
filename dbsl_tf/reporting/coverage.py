"""Which part of each epoch the shares of mini-epochs cover, and which part more than once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Coverage:
    """What is covered of one epoch.

    Attributes:
        seen: samples in at least one share.
        doubled: samples in more than one.
    """

    seen: int = 0
    doubled: int = 0


def coverage(shares: Iterable[tuple[int, int]], samples: int) -> list[Coverage]:
    """Returns the coverage of each epoch, up to the last one that any share reaches.

    It takes time for each share and each epoch, not for each sample.

    Args:
        shares: where each begins, in the run's permutations of the training set one after the
            other, from 0, and how many samples it has; in any order. It may reach over several
            epochs.
        samples: of an epoch (d), at least 1.

    Example:
        >>> coverage([(0, 60), (60, 40), (90, 30)], samples=100)
        [Coverage(seen=100, doubled=10), Coverage(seen=20, doubled=0)]
    """
    seen: list[int] = []
    doubled: list[int] = []
    # As shares come in the order in which they begin, all that lies between the beginning of one
    # and these is in at least one share before it, and in at least two.
    once = twice = 0
    for begin, count in sorted(shares):
        end = begin + count
        _add(seen, samples, max(begin, once), end)
        _add(doubled, samples, max(begin, twice), min(end, once))
        once, twice = max(once, end), max(twice, min(end, once))
    doubled += [0] * (len(seen) - len(doubled))
    return [Coverage(*both) for both in zip(seen, doubled, strict=True)]


def _add(counts: list[int], samples: int, begin: int, end: int) -> None:
    """Adds positions from `begin` to before `end` to the counts of their epochs."""
    for epoch, count in _parts(samples, begin, end):
        counts += [0] * (epoch + 1 - len(counts))
        counts[epoch] += count


def _parts(samples: int, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Yields each epoch, from 0, that the positions lie in, and how many of them do."""
    while begin < end:
        epoch = begin // samples
        until = min(end, (epoch + 1) * samples)
        yield epoch, until - begin
        begin = until
