"""The dispatch rules for a coordinator whose threads wait for each other."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from dbsl_tf.engine.membership import Membership
from dbsl_tf.schedules.dispatch import DispatchRules
from dbsl_tf.schedules.synchronization import Synchronization

# Conditions are looked at again after this many seconds even if nobody told of a change.
_RECHECK = 1.0


class Dispatcher:
    """Applies `DispatchRules` to the present workers, and waits where they say no. Thread-safe.

    Args:
        total: mini-epochs of the run, epochs · workers; they are numbered from 0.
        merged: how many of them are merged already.
        clocks: how many of each worker, [workers].
        synchronization: who may begin.
        membership: which workers take part.
    """

    def __init__(
        self,
        total: int,
        merged: int,
        clocks: Sequence[int],
        synchronization: Synchronization,
        membership: Membership,
    ) -> None:
        self._rules = DispatchRules(total, merged, clocks, synchronization)
        self._workers = len(clocks)
        self._in_rounds = synchronization.in_rounds
        self._membership = membership
        self._changed = threading.Condition()
        self._stopped = False
        membership.subscribe(lambda worker, reason: self._membership_changed())
        self._membership_changed()

    @property
    def in_rounds(self) -> bool:
        """Whether mini-epochs begin in rounds, and are merged in rounds."""
        return self._in_rounds

    @property
    def merged(self) -> int:
        """Mini-epochs merged so far."""
        return self._rules.merged

    @property
    def finished(self) -> bool:
        """Whether every mini-epoch is merged."""
        return self._rules.finished

    @property
    def clocks(self) -> list[int]:
        """Merged mini-epochs of each worker; one that was away counts as far as the slowest."""
        with self._changed:
            return self._rules.clocks

    def next(self) -> int | None:
        """Wait until a mini-epoch may begin; its number, None when there are no more."""
        with self._changed:
            while not (self._stopped or self._rules.finished):
                if (number := self._rules.next()) is not None:
                    return number
                self._changed.wait(_RECHECK)
            return None

    def allowed(self) -> list[bool]:
        """For each worker, whether it may begin a mini-epoch now."""
        with self._changed:
            return self._rules.allowed()

    def give_back(self, number: int) -> None:
        """Have a mini-epoch that was handed out begin again."""
        with self._changed:
            self._rules.give_back(number)
            self._changed.notify_all()

    def reclaim(self, number: int) -> bool:
        """Take back what was given back, unless it was handed out again; whether that was done."""
        with self._changed:
            return self._rules.reclaim(number)

    def wait_to_merge(self, worker: int) -> None:
        """Wait until a mini-epoch of `worker` may be merged."""
        with self._changed:
            if self._rules.returned(worker):
                return
            self._changed.notify_all()
            while not (self._stopped or self._rules.release(worker)):
                self._changed.wait(_RECHECK)

    def came_back(self) -> None:
        """Take note that a worker is free for another mini-epoch."""
        with self._changed:
            self._rules.done()
            self._changed.notify_all()

    def was_merged(self, workers: Sequence[int]) -> None:
        """Take note of merged mini-epochs, by the workers that trained them."""
        with self._changed:
            self._rules.was_merged(workers)
            self._changed.notify_all()

    def stop(self) -> None:
        """Hand out nothing more, and let nobody wait any longer."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _membership_changed(self) -> None:
        with self._changed:
            # Not what was told: two threads may tell of a loss and of its end in either order.
            present = set(self._membership.present)
            for worker in set(range(self._workers)) - present:
                self._rules.leave(worker)
            for worker in present:
                self._rules.rejoin(worker)
            self._changed.notify_all()
