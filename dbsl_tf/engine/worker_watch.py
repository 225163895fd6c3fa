"""Finding out which workers are dead, and which take too long."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dbsl_tf.cluster.probing import reachable
from dbsl_tf.common import awake
from dbsl_tf.common.patience import Patience
from dbsl_tf.engine.membership import Membership

# Readings of what workers have begun are this old at most, in seconds.
_FRESH = 0.4
# Results of so many calls are remembered, many more than can be under way.
_REMEMBERED = 4096
_PROBE_SECONDS = 1.0


@dataclass(frozen=True)
class Hang:
    """A worker that has not finished a call: which, and for how many seconds it has been at it."""

    worker: int
    seconds: float


class CallWatch:
    """Knows which worker is at which call, and since when. Thread-safe.

    Args:
        read: reads the ticket of the call that each worker took up last, int64 [workers].
        membership: where workers that begin calls are marked as alive.
    """

    def __init__(self, read: Callable[[], Any], membership: Membership) -> None:
        self._read = read
        self._membership = membership
        self._lock = threading.Lock()
        self._read_at = -math.inf
        self._reading_since: float | None = None
        self._taken: dict[int, tuple[int, float]] = {}
        self._started: dict[int, float] = {}
        self._finished: dict[int, float] = {}

    def started(self, ticket: int) -> None:
        """Take note that the call of this ticket was given to the cluster."""
        with self._lock:
            self._started[ticket] = awake.seconds()

    def finished(self, ticket: int) -> None:
        """Take note that the result of a call is there."""
        with self._lock:
            self._finished[ticket] = awake.seconds()
            self._started.pop(ticket, None)
            if len(self._finished) > _REMEMBERED:
                del self._finished[next(iter(self._finished))]

    @property
    def reading_seconds(self) -> float:
        """For how long what workers have taken up has been read without an answer; 0: it is not."""
        since = self._reading_since
        return 0.0 if since is None else awake.seconds() - since

    def quiet_seconds(self, worker: int) -> float:
        """For how long nothing was heard of a worker."""
        with self._lock:
            return awake.seconds() - self._last_sign(worker)

    def hang(
        self, ticket: int, patience: Patience, is_silent: Callable[[int], bool]
    ) -> Hang | None:
        """The worker that hangs at the call of this ticket.

        A worker may hang before it can say that it took the call up: then it is one that is at
        nothing else, though it would have taken up a call that waits; or one that is absent, whose
        host may have vanished without an end to its calls. None: nobody, or the call has to wait.

        Args:
            ticket: of the call.
            patience: with whoever is at it.
            is_silent: asks a worker for an answer; whether it has given none for too long.
        """
        suspects = [hang for hang in self._suspects(ticket) if hang.seconds > patience.seconds]
        for hang in suspects:
            if is_silent(hang.worker):
                return hang
        return next((hang for hang in suspects if hang.seconds > patience.most), None)

    def _suspects(self, ticket: int) -> list[Hang]:
        """Who may be at the call of this ticket, the likeliest first."""
        with self._lock:
            now = awake.seconds()
            if now - self._read_at > _FRESH:
                self._refresh(now)
            for worker, (taken, since) in self._taken.items():
                if taken == ticket:
                    return [Hang(worker, now - since)]
            present = self._membership.present
            idle = [worker for worker in present if self._is_idle(worker)]
            if not idle:
                return []
            absent = [worker for worker in self._taken if worker not in present]
            given = self._started.get(ticket, now)
            # One may have been at another call when this one was given to the cluster.
            return [
                Hang(worker, now - max(given, self._last_sign(worker)))
                for worker in absent + sorted(idle, key=self._last_sign)
            ]

    def _is_idle(self, worker: int) -> bool:
        taken, _ = self._taken.get(worker, (0, 0.0))
        return taken not in self._started

    def _last_sign(self, worker: int) -> float:
        taken, since = self._taken.get(worker, (0, -math.inf))
        return max(since, self._finished.get(taken, -math.inf))

    def _refresh(self, now: float) -> None:
        self._reading_since = awake.seconds()
        read = list(map(int, self._read()))
        self._reading_since = None
        for worker, ticket in enumerate(read):
            before = self._taken.get(worker)
            if before is None or before[0] != ticket:
                # It may have been taken up and finished since the reading before.
                self._taken[worker] = (ticket, min(now, self._finished.get(ticket, now)))
                if before is not None:
                    self._membership.mark_alive(worker)
        self._read_at = now


class PresenceWatch(threading.Thread):
    """Marks workers as lost that are dead or hang, whether or not anything waits for them.

    TensorFlow does not tell of dead workers, it only runs their closures elsewhere; and a worker
    that hangs while it prepares its data has no call that would tell of it.

    Args:
        addresses: `host:port` of every worker.
        membership: where workers are marked as lost that cannot be reached twice in a row, or do
            not answer.
        quiet_seconds: of a worker, for how long nothing was heard of it.
        silence: asks the worker at an address for an answer; for how long it has been in vain.
        longest: seconds that it may be.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        membership: Membership,
        quiet_seconds: Callable[[int], float],
        silence: Callable[[str], float],
        longest: float,
    ) -> None:
        super().__init__(name="presence-watch", daemon=True)
        self._addresses = addresses
        self._membership = membership
        self._quiet_seconds = quiet_seconds
        self._silence = silence
        self._longest = longest
        self._failures = [0] * len(addresses)

    def run(self) -> None:
        """Look for as long as the process lives."""
        while True:
            for worker in self._membership.present:
                self.look(worker)
            time.sleep(_PROBE_SECONDS)

    def look(self, worker: int) -> None:
        """See to one worker; call it again and again."""
        address = self._addresses[worker]
        self._failures[worker] = 0 if reachable(address) else self._failures[worker] + 1
        if self._failures[worker] >= 2:
            self._membership.mark_lost(worker, "its port is closed")
        elif self._quiet_seconds(worker) > self._longest:
            seconds = self._silence(address)
            if seconds > self._longest:
                self._membership.mark_lost(worker, f"it has not answered for {seconds:.0f} s")
