"""How an epoch is cut into the shares of its mini-epochs, each sample in one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dbsl_tf.schedules.calendar import Calendar


@dataclass(frozen=True)
class EpochShare:
    """Samples of a mini-epoch, in the sequence of permutations of the training set.

    Attributes:
        first: position of the first one, from 0; permutation p has positions p d … (p + 1) d - 1.
        samples: how many.
    """

    first: int
    samples: int


@dataclass(frozen=True)
class SharesTaken:
    """Which samples a run has had.

    Attributes:
        cut: how many shares have been cut.
        end: where the next one begins, in samples.
        unmerged: of the shares that have been cut, those that are not merged.
    """

    cut: int = 0
    end: int = 0
    unmerged: tuple[EpochShare, ...] = ()


class EpochShares:
    """Cuts shares for mini-epochs as they begin. Not thread-safe.

    A share belongs to the number of a mini-epoch: whoever trains it again trains the same samples.
    An epoch has as many shares as mini-epochs, and they are all of its samples. Each has as many as
    the worker would by its plan, d_L or d_S, as long as those that follow can have between the
    least and the most that a plan gives to a worker; a worker that is faster than planned takes
    more shares, and only then do others differ from the plan.

    Args:
        samples: training samples (d).
        calendar: of the run; an epoch needs no fewer samples than it has mini-epochs.
        taken: where to resume.

    Example:
        >>> shares = EpochShares(100, Calendar(workers=2, epochs=3))
        >>> planned = [60, 40]
        >>> shares.of(0, 60, planned), shares.of(1, 40, planned)
        (EpochShare(first=0, samples=60), EpochShare(first=60, samples=40))
    """

    def __init__(
        self, samples: int, calendar: Calendar, taken: SharesTaken = SharesTaken()
    ) -> None:
        self._samples = samples
        self._calendar = calendar
        self._cut, self._end = taken.cut, taken.end
        # Cut before an interruption; in order, the last one first.
        self._waiting = list(reversed(taken.unmerged))
        self._of: dict[int, EpochShare] = {}

    @property
    def taken(self) -> SharesTaken:
        """Which samples the run has had."""
        unmerged = sorted([*self._waiting, *self._of.values()], key=lambda share: share.first)
        return SharesTaken(self._cut, self._end, tuple(unmerged))

    def of(self, number: int, wanted: int, planned: Sequence[int]) -> EpochShare:
        """Returns the share of a mini-epoch; it is cut when it is asked for first.

        Args:
            number: of the mini-epoch.
            wanted: samples of the worker that is to train it, by its plan.
            planned: samples of all workers.
        """
        if number not in self._of:
            self._of[number] = self._waiting.pop() if self._waiting else self._next(wanted, planned)
        return self._of[number]

    def merged(self, number: int) -> None:
        """Records that a mini-epoch is merged."""
        del self._of[number]

    def _next(self, wanted: int, planned: Sequence[int]) -> EpochShare:
        epoch = self._calendar.epoch_at(self._cut)
        left = self._calendar.first_number(epoch + 1) - self._cut
        samples = epoch * self._samples - self._end
        least = min(*planned, samples // left)
        most = max(*planned, -(-samples // left))
        following = left - 1
        size = min(max(wanted, samples - following * most), samples - following * least)
        share = EpochShare(self._end, size)
        self._cut += 1
        self._end += size
        return share
