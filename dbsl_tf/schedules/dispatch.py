"""The dispatch rules: which mini-epoch begins next, on whom, and when its result may be merged.

Rules alone, without threads or a clock: the coordinator and the simulation both drive them.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from dbsl_tf.schedules.synchronization import Synchronization


class Round(NamedTuple):
    """Mini-epochs that begin with the same weights and are merged together.

    Attributes:
        first: number of the first one.
        end: number after the last one.
    """

    first: int
    end: int

    @property
    def size(self) -> int:
        """How many they are."""
        return self.end - self.first


class DispatchRules:
    """Hands out the numbers of mini-epochs, each until it is merged once. Not thread-safe.

    No more are out at once than workers may begin. A mini-epoch that is requeued is handed out
    again before any other. No decision takes longer with more workers, except `allowed`.

    The caller reports what happens to a mini-epoch: `returned`, and if that says no, `release`
    until it says yes; then `mark_merged` and `free_worker`. If it fails instead: `requeue`.

    Args:
        total: mini-epochs of the run, numbered from 0.
        merged: how many of them are merged already.
        clocks: merged mini-epochs of each worker, [workers]. All workers are present.
        synchronization: who may begin.
        ends_in_round: whether the last mini-epochs, one of every worker, begin only when all before
            are merged, and are merged together, whatever `synchronization` says.
        round_end: given how many mini-epochs are merged and how many workers are present, one at
            least, returns the end of the round that begins; None: a round has one of every worker,
            present or not.

    Example:
        >>> rules = DispatchRules(4, 0, [0, 0], Synchronization(bound=0))
        >>> rules.next(), rules.next(), rules.next()
        (0, 1, None)
        >>> rules.returned(1)
        True
        >>> rules.mark_merged([1])
        >>> rules.free_worker()
        >>> rules.allowed()
        [True, False]
    """

    def __init__(
        self,
        total: int,
        merged: int,
        clocks: Sequence[int],
        synchronization: Synchronization,
        ends_in_round: bool = False,
        round_end: Callable[[int, int], int] | None = None,
    ) -> None:
        self._total = total
        # The first mini-epoch of the round at the end.
        self._last_round = total - len(clocks) if ends_in_round else total
        self._clocks = _Clocks(clocks)
        self._synchronization = synchronization
        self._round_end = round_end
        self._merged = self._next = merged
        self._round = Round(merged, self._end_of_round())
        self._requeued: list[int] = []
        # Workers whose result of the present round has arrived.
        self._returned: set[int] = set()
        # Results of each worker that may be merged and are not merged yet.
        self._passed: Counter[int] = Counter()
        # Mini-epochs handed out that occupy a worker or are being merged.
        self._out = 0

    @property
    def merged(self) -> int:
        """Mini-epochs merged so far."""
        return self._merged

    @property
    def finished(self) -> bool:
        """Whether every mini-epoch is merged."""
        return self._merged == self._total

    @property
    def in_round(self) -> bool:
        """Whether the mini-epochs that are out now are merged together."""
        return self._synchronization.in_rounds or self._merged >= self._last_round

    @property
    def round(self) -> Round:
        """The round that is under way, or was the last one to begin; meaningless in asp and ssp."""
        return self._round

    @property
    def clocks(self) -> list[int]:
        """Merged mini-epochs of each worker; one that rejoins counts as the slowest at least."""
        return list(self._clocks.of)

    @property
    def present(self) -> int:
        """How many workers take part."""
        return self._clocks.present

    @property
    def one_each(self) -> bool:
        """Whether nobody trains two mini-epochs of a round, as enough workers are present."""
        return self.in_round and self.present >= self._round.size

    def clock(self, worker: int) -> int:
        """Returns the number of merged mini-epochs of one worker."""
        return self._clocks.of[worker]

    def next(self) -> int | None:
        """Hands out a mini-epoch that may begin now; returns None if there is none.

        Even while nobody is present one is handed out, so that a worker can show that it is back.
        """
        if self._out >= (self._allowed_present() if self.present else 1):
            return None
        if self._requeued:
            self._out += 1
            return heapq.heappop(self._requeued)
        if self.in_round and self._next == self._merged:
            if self._out:
                return None
            self._round = Round(self._merged, self._end_of_round())
        if self._next < (self._round.end if self.in_round else self._last_round):
            self._out += 1
            self._next += 1
            return self._next - 1
        return None

    def allows(self, worker: int) -> bool:
        """Returns whether `worker` may begin a mini-epoch now."""
        if self.one_each and worker in self._returned:
            return False
        return self.keeps_bound(self._clocks.of[worker])

    def keeps_bound(self, clock: int) -> bool:
        """Returns whether a worker with so many merged mini-epochs may begin another."""
        return self.in_round or self._synchronization.allows(clock, self._clocks.slowest)

    def allowed(self) -> list[bool]:
        """Returns for each worker whether it may begin a mini-epoch now."""
        return [self.allows(worker) for worker in range(len(self._clocks.of))]

    def requeue(self, number: int) -> None:
        """Queues a mini-epoch that was handed out to begin again."""
        self._out -= 1
        heapq.heappush(self._requeued, number)

    def reclaim(self, number: int) -> bool:
        """Takes a requeued mini-epoch back, unless handed out again; returns whether it did."""
        if number not in self._requeued:
            return False
        self._requeued.remove(number)
        heapq.heapify(self._requeued)
        self._out += 1
        return True

    def returned(self, worker: int) -> bool:
        """Records a result of `worker`; returns whether it may be merged immediately.

        If not, it occupies no worker until `release` says yes: slower workers have to catch up.
        """
        self._returned.add(worker)
        if self._may_merge(worker):
            self._passed[worker] += 1
            return True
        self._out -= 1
        return False

    def release(self, worker: int) -> bool:
        """Returns whether a result of `worker` that had to wait may be merged now.

        It may also when nobody can catch up any more, as nothing is out or can be handed out.
        """
        handed_out = self._next >= self._last_round
        nothing_is_left = self._out == 0 and handed_out and not self._requeued
        if not (nothing_is_left or self._may_merge(worker)):
            return False
        self._out += 1
        self._passed[worker] += 1
        return True

    def mark_merged(self, workers: Sequence[int]) -> None:
        """Records merged mini-epochs, by the workers that trained them."""
        for worker in workers:
            self._clocks.advance(worker)
            self._passed[worker] = max(0, self._passed[worker] - 1)
        self._merged += len(workers)
        if workers:
            self._returned.clear()

    def free_worker(self) -> None:
        """Records that a mini-epoch that was out no longer occupies a worker."""
        self._out -= 1

    def leave(self, worker: int) -> None:
        """Records that `worker` has left and holds nobody up; no effect if it already had."""
        self._clocks.leave(worker)

    def rejoin(self, worker: int) -> None:
        """Records that `worker` has rejoined; no effect if it was present."""
        self._clocks.rejoin(worker)

    def _end_of_round(self) -> int:
        """Returns the end of a round that begins now."""
        if self._merged >= self._last_round:
            return self._total
        if self._round_end is not None:
            end = self._round_end(self._merged, max(1, self.present))
        else:
            workers = len(self._clocks.of)
            end = (self._merged // workers + 1) * workers
        return min(self._last_round, end)

    def _allowed_present(self) -> int:
        """Returns how many present workers may begin."""
        if self.one_each:
            return self.present - len(self._returned)
        if self.in_round or self._synchronization.bound == math.inf:
            return self.present
        counts = self._clocks.counts.items()
        return sum(count for clock, count in counts if self.keeps_bound(clock))

    def _may_merge(self, worker: int) -> bool:
        """Returns whether another mini-epoch of `worker` keeps the bound.

        It nearly always does. But a worker may begin a second mini-epoch before its first is
        merged: one left over from a worker that died, or one handed out beside the merge.
        """
        if self.in_round:
            return True
        clock = self._clocks.of[worker]
        slowest = min(clock, self._clocks.slowest) if self.present else clock
        return self._synchronization.allows(clock + self._passed[worker], slowest)


class _Clocks:
    """Merged mini-epochs of each worker, and which workers take part.

    Attributes:
        of: merged mini-epochs, [workers].
        counts: how many present workers have each clock.
        slowest: least clock of the present workers; 0 if there are none.
    """

    def __init__(self, clocks: Iterable[int]) -> None:
        self.of = list(clocks)
        self.counts = Counter(self.of)
        self.slowest = min(self.counts, default=0)
        self._absent: set[int] = set()

    @property
    def present(self) -> int:
        """How many workers take part."""
        return len(self.of) - len(self._absent)

    def advance(self, worker: int) -> None:
        """Counts a merged mini-epoch of `worker`."""
        if worker in self._absent:
            self.of[worker] += 1
            return
        self._take(self.of[worker])
        self.of[worker] += 1
        self._add(self.of[worker])

    def leave(self, worker: int) -> None:
        """Stops counting `worker`."""
        if worker not in self._absent:
            self._absent.add(worker)
            self._take(self.of[worker])

    def rejoin(self, worker: int) -> None:
        """Counts `worker` again, as the slowest at least: otherwise it would hold up the others."""
        if worker in self._absent:
            self._absent.remove(worker)
            if self.counts:
                self.of[worker] = max(self.of[worker], self.slowest)
            self._add(self.of[worker])

    def _take(self, clock: int) -> None:
        self.counts[clock] -= 1
        if not self.counts[clock]:
            del self.counts[clock]
            if clock == self.slowest:
                self.slowest = min(self.counts, default=0)

    def _add(self, clock: int) -> None:
        self.slowest = min(self.slowest, clock) if self.counts else clock
        self.counts[clock] += 1
