"""The rules of `dbsl_tf.coordinator.dispatcher` where nobody waits in a thread.

Who may begin is asked of the coordinator's own `Synchronization`. It takes the clocks of all
workers, of which only the slowest counts, so here it is given two: a worker's and the slowest.
A decision then costs the same with 4 and with 100,000 workers.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Iterable

from dbsl_tf.schedules.synchronization import Synchronization

_SLOWEST = (1,)


class Clocks:
    """Merged mini-epochs of each worker, and who takes part.

    Args:
        workers: number of workers (n), all of them present.
        rule: who may begin.
    """

    def __init__(self, workers: int, rule: Synchronization) -> None:
        self._rule = rule
        self._of = [0] * workers
        self._absent: set[int] = set()
        # How many present workers have each clock.
        self._present = Counter({0: workers})
        self.slowest = 0

    @property
    def present(self) -> int:
        """How many workers take part."""
        return len(self._of) - len(self._absent)

    def __getitem__(self, worker: int) -> int:
        return self._of[worker]

    def allows(self, clock: int) -> bool:
        """Whether a worker with this clock may begin, or may merge."""
        return self._rule.allowed((clock, self.slowest), _SLOWEST)[0]

    def may_merge(self, worker: int) -> bool:
        """Whether another mini-epoch of `worker` keeps the bound; see `Synchronization`."""
        clock = self._of[worker]
        slowest = min(clock, self.slowest) if self._present else clock
        return self._rule.allowed((clock, slowest), _SLOWEST)[0]

    def allowed_present(self) -> int:
        """How many present workers may begin."""
        return sum(count for clock, count in self._present.items() if self.allows(clock))

    def merged(self, worker: int) -> None:
        """Take note of a merged mini-epoch of `worker`."""
        if worker in self._absent:
            self._of[worker] += 1
            return
        self._take(self._of[worker])
        self._of[worker] += 1
        self._add(self._of[worker])

    def lost(self, worker: int) -> None:
        """`worker` takes no part any more; it holds nobody up."""
        self._absent.add(worker)
        self._take(self._of[worker])

    def back(self, worker: int) -> None:
        """`worker` takes part again, as far as the slowest."""
        self._absent.remove(worker)
        if self._present:
            self._of[worker] = max(self._of[worker], self.slowest)
        self._add(self._of[worker])

    def _take(self, clock: int) -> None:
        self._present[clock] -= 1
        if not self._present[clock]:
            del self._present[clock]
            if clock == self.slowest:
                self.slowest = min(self._present, default=clock)

    def _add(self, clock: int) -> None:
        self.slowest = min(self.slowest, clock) if self._present else clock
        self._present[clock] += 1


class Dispatch:
    """Which mini-epoch begins next; `Dispatcher` says which rules these are.

    Args:
        total: mini-epochs of the run; they are numbered from 0.
        clocks: of the workers.
        workers: number of workers (n).
        rule: who may begin.

    Attributes:
        merged: mini-epochs merged so far.
        out: mini-epochs handed out that occupy a worker or the merging.
    """

    def __init__(self, total: int, clocks: Clocks, workers: int, rule: Synchronization) -> None:
        self._total = total
        self._clocks = clocks
        self._workers = workers
        self._in_rounds = rule.in_rounds
        self._bounded = rule != Synchronization()
        self._next = 0
        self._given_back: list[int] = []
        self.merged = 0
        self.out = 0

    @property
    def exhausted(self) -> bool:
        """Whether nothing is out and nothing is left to hand out."""
        return self.out == 0 and self._next == self._total and not self._given_back

    def next(self) -> int | None:
        """The number of a mini-epoch that may begin now; None: there is none."""
        if not self._has_room():
            return None
        if self._given_back:
            self.out += 1
            return heapq.heappop(self._given_back)
        if self._next < self._horizon() and self._all_are_ready():
            self.out += 1
            self._next += 1
            return self._next - 1
        return None

    def give_back(self, number: int) -> None:
        """Have a mini-epoch that was handed out begin again."""
        self.out -= 1
        heapq.heappush(self._given_back, number)

    def was_merged(self, workers: Iterable[int]) -> None:
        """Take note of merged mini-epochs, by the workers that trained them."""
        for worker in workers:
            self._clocks.merged(worker)
            self.merged += 1

    def _horizon(self) -> int:
        if not self._in_rounds:
            return self._total
        return min(self._total, (self.merged // self._workers + 1) * self._workers)

    def _all_are_ready(self) -> bool:
        begins = self._in_rounds and self._next == self.merged
        return not begins or self.out == 0

    def _has_room(self) -> bool:
        if not self._clocks.present:
            return False
        if not self._bounded or self._in_rounds:
            return self.out < self._clocks.present
        return self.out < self._clocks.allowed_present()


class IdleWorkers:
    """Workers at nothing, in the order in which they take up the next mini-epoch.

    Args:
        clocks: of the workers; those that may not begin are passed over until they may.
    """

    def __init__(self, clocks: Clocks, workers: Iterable[int]) -> None:
        self._clocks = clocks
        self._ready = deque(workers)
        # By clock, those that were found too far ahead.
        self._ahead: dict[int, list[int]] = defaultdict(list)

    def add(self, worker: int) -> None:
        """`worker` has finished what it was at."""
        self._ready.append(worker)

    def take(self) -> int:
        """The worker idle for longest of those that may begin.

        Raises:
            LookupError: there is none.
        """
        for clock in sorted(self._ahead):
            if not self._clocks.allows(clock):
                break
            # They have waited for longer than the others.
            self._ready.extendleft(reversed(self._ahead.pop(clock)))
        while self._ready:
            worker = self._ready.popleft()
            clock = self._clocks[worker]
            if self._clocks.allows(clock):
                return worker
            self._ahead[clock].append(worker)
        raise LookupError("no idle worker may begin")
