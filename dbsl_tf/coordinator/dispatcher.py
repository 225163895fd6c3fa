"""The dispatch rules for a coordinator with several threads, which wait for one another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from dbsl_tf.engine.membership import Membership
from dbsl_tf.schedules.dispatch import DispatchRules, Round
from dbsl_tf.schedules.synchronization import Synchronization

# Conditions are checked again after this many seconds even without a notification.
_RECHECK = 1.0


class Dispatcher:
    """Applies `DispatchRules` to the present workers, and waits while they say no. Thread-safe.

    Args:
        total: mini-epochs of the run, numbered from 0.
        merged: how many of them are merged already.
        clocks: merged mini-epochs of each worker, [workers].
        synchronization: who may begin.
        membership: which workers take part.
        ends_in_round, round_end: see `DispatchRules`.
    """

    def __init__(
        self,
        total: int,
        merged: int,
        clocks: Sequence[int],
        synchronization: Synchronization,
        membership: Membership,
        ends_in_round: bool = False,
        round_end: Callable[[int, int], int] | None = None,
    ) -> None:
        self._rules = DispatchRules(
            total, merged, clocks, synchronization, ends_in_round, round_end
        )
        self._workers = len(clocks)
        self._in_rounds = synchronization.in_rounds
        self._membership = membership
        self._changed = threading.Condition()
        self._stopped = False
        membership.subscribe(lambda worker, reason: self._membership_changed())
        self._membership_changed()

    @property
    def in_rounds(self) -> bool:
        """Whether mini-epochs begin and are merged in rounds (BSP)."""
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
        """Merged mini-epochs of each worker; one that rejoins counts as the slowest at least."""
        with self._changed:
            return self._rules.clocks

    def next(self) -> int | None:
        """Waits until a mini-epoch may begin; returns its number, or None if there are no more."""
        with self._changed:
            while not (self._stopped or self._rules.finished):
                if (number := self._rules.next()) is not None:
                    return number
                self._changed.wait(_RECHECK)
            return None

    def next_at_once(self) -> int | None:
        """Like `next`, but returns None too if no mini-epoch may begin now."""
        with self._changed:
            return None if self._stopped or self._rules.finished else self._rules.next()

    def allowed(self) -> list[bool]:
        """Returns for each worker whether it may begin a mini-epoch now, [workers]."""
        with self._changed:
            return self._rules.allowed()

    @property
    def one_each(self) -> bool:
        """Whether nobody trains two mini-epochs of a round, as enough workers are present."""
        with self._changed:
            return self._rules.one_each

    @property
    def round(self) -> Round:
        """The round of the mini-epochs that are handed out, where these are in a round."""
        with self._changed:
            return self._rules.round

    def requeue(self, number: int) -> None:
        """Queues a mini-epoch that was handed out to begin again."""
        with self._changed:
            self._rules.requeue(number)
            self._changed.notify_all()

    def reclaim(self, number: int) -> bool:
        """Takes a requeued mini-epoch back, unless handed out again; returns whether it did."""
        with self._changed:
            return self._rules.reclaim(number)

    def wait_to_merge(self, worker: int) -> None:
        """Waits until a result of `worker` may be merged, or `stop` is called."""
        with self._changed:
            if self._rules.returned(worker):
                return
            self._changed.notify_all()
            while not (self._stopped or self._rules.release(worker)):
                self._changed.wait(_RECHECK)

    def free_worker(self) -> None:
        """Records that a worker is free for another mini-epoch."""
        with self._changed:
            self._rules.free_worker()
            self._changed.notify_all()

    def mark_merged(self, workers: Sequence[int]) -> None:
        """Records merged mini-epochs, by the workers that trained them."""
        with self._changed:
            self._rules.mark_merged(workers)
            self._changed.notify_all()

    def stop(self) -> None:
        """Hands out nothing more, and ends all waiting."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _membership_changed(self) -> None:
        with self._changed:
            # The present state, not the notified one: notifications of a loss and of the return
            # after it may arrive in either order.
            present = set(self._membership.present)
            for worker in set(range(self._workers)) - present:
                self._rules.leave(worker)
            for worker in present:
                self._rules.rejoin(worker)
            self._changed.notify_all()
