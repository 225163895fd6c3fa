"""Detects which workers are dead, and which take too long."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dbsl_tf.cluster.probing import reachable
from dbsl_tf.common import awake
from dbsl_tf.common.patience import PatienceWith
from dbsl_tf.engine.membership import Membership

# Maximum age of what is known about the calls that workers have begun, in seconds.
_FRESH = 0.4
# How many finished calls are remembered, many more than can be in flight.
_REMEMBERED = 4096
_PROBE_SECONDS = 1.0
# A call that a worker has begun which is absent by now is given up after so many seconds.
_ABSENT_SECONDS = 5.0


@dataclass(frozen=True)
class Hang:
    """A worker that has not finished a call, and for how many seconds it has been running it."""

    worker: int
    seconds: float


class CallWatch:
    """Knows which worker runs which call, and since when. Thread-safe.

    Args:
        read: returns the ticket of the call that each worker began last, int64 [workers].
        membership: where workers that begin calls are marked as alive.
    """

    def __init__(self, read: Callable[[], Any], membership: Membership) -> None:
        self._read = read
        self._membership = membership
        self._lock = threading.Lock()
        self._read_at = -math.inf
        self._reading_since: float | None = None
        self._begun: dict[int, tuple[int, float]] = {}
        self._started: dict[int, float] = {}
        self._finished: dict[int, float] = {}

    def started(self, ticket: int) -> None:
        """Records that the call with this ticket was given to the cluster."""
        with self._lock:
            self._started[ticket] = awake.seconds()

    def finished(self, ticket: int) -> None:
        """Records that the result of a call has arrived."""
        with self._lock:
            self._finished[ticket] = awake.seconds()
            self._started.pop(ticket, None)
            if len(self._finished) > _REMEMBERED:
                del self._finished[next(iter(self._finished))]

    @property
    def reading_seconds(self) -> float:
        """Seconds for which `read` has been waiting for an answer; 0: it is not running."""
        since = self._reading_since
        return 0.0 if since is None else awake.seconds() - since

    def task_seconds(self) -> dict[int, float]:
        """Returns for how many seconds workers have been running a call, by their indices.

        Those are left out that run none, or have begun one in the last moments.
        """
        with self._lock:
            now = awake.seconds()
            begun = self._begun.items()
            return {w: now - since for w, (ticket, since) in begun if ticket in self._started}

    def quiet_seconds(self, worker: int) -> float:
        """Returns for how many seconds a worker has shown no sign of life."""
        with self._lock:
            return awake.seconds() - self._last_sign(worker)

    def hang(
        self, ticket: int, patience: PatienceWith, is_silent: Callable[[int], bool]
    ) -> Hang | None:
        """Returns the worker that hangs in the call with this ticket, if any.

        A worker may hang before it can announce that it runs the call. Then it is one that seems
        idle, though an idle worker would have begun a waiting call; or one that is absent, whose
        host may have vanished, or be cut off, without ending its calls. An absent one has no
        patience to expect: others must not wait for it.

        Args:
            ticket: of the call.
            patience: how long each worker may take for it.
            is_silent: probes a worker; returns whether it has not answered for too long.

        Returns:
            None if no worker hangs, or all are busy with other calls.
        """
        suspects = self._suspects(ticket)
        present = self._membership.present
        for hang in suspects:
            if hang.worker not in present and hang.seconds > _ABSENT_SECONDS:
                return hang
        suspects = [hang for hang in suspects if hang.seconds > patience(hang.worker).seconds]
        for hang in suspects:
            if is_silent(hang.worker):
                return hang
        return next((hang for hang in suspects if hang.seconds > patience(hang.worker).most), None)

    def _suspects(self, ticket: int) -> list[Hang]:
        """Returns the workers that may be running this call, the likeliest first."""
        self._refresh()
        with self._lock:
            now = awake.seconds()
            running = [
                Hang(worker, now - since)
                for worker, (ticket_begun, since) in self._begun.items()
                if ticket_begun == ticket
            ]
            if running:
                # The others have been lost while they ran it.
                return [min(running, key=lambda hang: hang.seconds)]
            present = self._membership.present
            idle = [worker for worker in present if self._is_idle(worker)]
            if not idle:
                return []
            absent = [worker for worker in self._begun if worker not in present]
            given = self._started.get(ticket, now)
            # It may have been busy with another call when this one was given to the cluster.
            return [
                Hang(worker, now - max(given, self._last_sign(worker)))
                for worker in absent + sorted(idle, key=self._last_sign)
            ]

    def _is_idle(self, worker: int) -> bool:
        ticket, _ = self._begun.get(worker, (0, 0.0))
        return ticket not in self._started

    def _last_sign(self, worker: int) -> float:
        ticket, since = self._begun.get(worker, (0, -math.inf))
        return max(since, self._finished.get(ticket, -math.inf))

    def _refresh(self) -> None:
        with self._lock:
            now = awake.seconds()
            begun = self._read_begun(now) if now - self._read_at > _FRESH else []
        # Whether one can be reached that was lost may take seconds to find out.
        for worker in begun:
            self._membership.mark_alive(worker)

    def _read_begun(self, now: float) -> list[int]:
        """Reads which calls workers have begun; returns the workers that have begun others."""
        self._reading_since = awake.seconds()
        read = list(map(int, self._read()))
        self._reading_since = None
        changed = []
        for worker, ticket in enumerate(read):
            before = self._begun.get(worker)
            if before is None or before[0] != ticket:
                # The call may have begun and finished since the previous reading.
                self._begun[worker] = (ticket, min(now, self._finished.get(ticket, now)))
                if before is not None:
                    changed.append(worker)
        self._read_at = now
        return changed


class PresenceWatch(threading.Thread):
    """Marks workers as lost that are dead or hang, whether or not anything waits for them.

    TensorFlow does not report dead workers, it only runs their closures elsewhere; and a worker
    that hangs while it prepares its data runs no call by which it could be noticed.

    Args:
        addresses: `host:port` of every worker.
        membership: where workers are marked as lost that cannot be reached twice in a row, or do
            not answer.
        quiet_seconds: returns for how long a worker has shown no sign of life.
        silence: probes the worker at an address; returns for how long it has not answered.
        longest: seconds that a worker may take to answer.
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
        """Checks all workers for as long as the process lives."""
        while True:
            for worker in self._membership.present:
                self.look(worker)
            time.sleep(_PROBE_SECONDS)

    def look(self, worker: int) -> None:
        """Checks one worker; call it repeatedly."""
        address = self._addresses[worker]
        self._failures[worker] = 0 if reachable(address) else self._failures[worker] + 1
        if self._failures[worker] >= 2:
            self._membership.mark_lost(worker, "its port is closed")
        elif self._quiet_seconds(worker) > self._longest:
            seconds = self._silence(address)
            if seconds > self._longest:
                self._membership.mark_lost(worker, f"it has not answered for {seconds:.0f} s")
