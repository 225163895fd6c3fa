"""Which mini-epoch begins next, and when."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Sequence

from dbsl_tf.engine.roster import Roster
from dbsl_tf.schedules.synchronization import Synchronization

# Conditions are looked at again after this many seconds even if nobody told of a change.
_RECHECK = 1.0


class Dispatcher:
    """Hands out the numbers of mini-epochs, each until it is merged once. Thread-safe.

    No more are out at once than workers may take up. A mini-epoch that is given back is handed
    out again before any other.

    Args:
        total: mini-epochs of the run, epochs · workers; they are numbered from 0.
        merged: how many of them are merged already.
        clocks: how many of each worker, [workers].
        synchronization: who may begin.
        roster: who takes part.
    """

    def __init__(
        self,
        total: int,
        merged: int,
        clocks: Sequence[int],
        synchronization: Synchronization,
        roster: Roster,
    ) -> None:
        self._total = total
        self._clocks = list(clocks)
        self._synchronization = synchronization
        self._roster = roster
        self._changed = threading.Condition()
        self._merged = self._next = merged
        self._given_back: list[int] = []
        # Workers whose mini-epoch of the present round is there.
        self._returned: set[int] = set()
        self._out = 0
        self._stopped = False
        roster.subscribe(self._roster_changed)

    @property
    def in_rounds(self) -> bool:
        """Whether mini-epochs begin in rounds, and are merged in rounds."""
        return self._synchronization.in_rounds

    @property
    def merged(self) -> int:
        """Mini-epochs merged so far."""
        return self._merged

    @property
    def finished(self) -> bool:
        """Whether every mini-epoch is merged."""
        return self._merged == self._total

    @property
    def clocks(self) -> list[int]:
        """Merged mini-epochs of each worker; one that was away counts as far as the slowest."""
        with self._changed:
            return list(self._clocks)

    def next(self) -> int | None:
        """Wait until a mini-epoch may begin; its number, None when there are no more."""
        with self._changed:
            while not (self._stopped or self.finished):
                if self._given_back and self._has_room():
                    self._out += 1
                    return heapq.heappop(self._given_back)
                if self._next < self._horizon() and self._has_room() and self._all_are_ready():
                    self._out += 1
                    self._next += 1
                    return self._next - 1
                self._changed.wait(_RECHECK)
            return None

    def allowed(self) -> list[bool]:
        """For each worker, whether it may begin a mini-epoch now."""
        with self._changed:
            return self._allowed()

    def give_back(self, number: int) -> None:
        """Have a mini-epoch that was handed out begin again."""
        with self._changed:
            self._out -= 1
            heapq.heappush(self._given_back, number)
            self._changed.notify_all()

    def reclaim(self, number: int) -> bool:
        """Take back what was given back, unless it was handed out again; whether that was done."""
        with self._changed:
            if number not in self._given_back:
                return False
            self._given_back.remove(number)
            heapq.heapify(self._given_back)
            self._out += 1
            return True

    def wait_to_merge(self, worker: int) -> None:
        """Wait until a mini-epoch of `worker` may be merged."""
        with self._changed:
            self._returned.add(worker)
            if self._may_merge(worker):
                return
            # It occupies no worker meanwhile: the slower ones have to go on.
            self._out -= 1
            self._changed.notify_all()
            while not (self._stopped or self._may_merge(worker) or self._nothing_is_left):
                self._changed.wait(_RECHECK)
            self._out += 1

    def came_back(self) -> None:
        """Take note that a worker is free for another mini-epoch."""
        with self._changed:
            self._out -= 1
            self._changed.notify_all()

    def was_merged(self, workers: Sequence[int]) -> None:
        """Take note of merged mini-epochs, by the workers that trained them."""
        with self._changed:
            for worker in workers:
                self._clocks[worker] += 1
            self._merged += len(workers)
            if workers:
                self._returned.clear()
            self._changed.notify_all()

    def stop(self) -> None:
        """Hand out nothing more, and let nobody wait any longer."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _horizon(self) -> int:
        """The first number that may not begin yet."""
        if not self._synchronization.in_rounds:
            return self._total
        workers = len(self._clocks)
        return min(self._total, (self._merged // workers + 1) * workers)

    @property
    def _nothing_is_left(self) -> bool:
        """Whether nobody can catch up any more, as nothing is out or can be handed out."""
        return self._out == 0 and self._next == self._total and not self._given_back

    def _all_are_ready(self) -> bool:
        """Whether a round that is to begin has all who take part."""
        begins = self._synchronization.in_rounds and self._next == self._merged
        return not begins or self._out == 0

    def _has_room(self) -> bool:
        present = self._roster.present
        if not present:
            # Somebody has to be given a chance to show that it is back.
            return self._out < 1
        allowed = self._allowed()
        return self._out < sum(allowed[worker] for worker in present)

    def _allowed(self) -> list[bool]:
        present = self._roster.present
        allowed = self._synchronization.allowed(self._clocks, present)
        if not self.in_rounds or len(present) < len(self._clocks):
            return allowed
        # Each trains one mini-epoch of a round, however late it is to begin.
        return [may and worker not in self._returned for worker, may in enumerate(allowed)]

    def _may_merge(self, worker: int) -> bool:
        return self._synchronization.may_merge(worker, self._clocks, self._roster.present)

    def _roster_changed(self, worker: int, reason: str | None) -> None:
        with self._changed:
            if reason is None:
                # It would hold everybody up until it has caught up.
                present = [w for w in self._roster.present if w != worker]
                slowest = min((self._clocks[w] for w in present), default=self._clocks[worker])
                self._clocks[worker] = max(self._clocks[worker], slowest)
            self._changed.notify_all()
