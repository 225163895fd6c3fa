"""Finding out which workers are dead, and which take too long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dbsl_tf.cluster.connecting import reachable
from dbsl_tf.coordinator.roster import Roster

# Readings of what workers have begun are this old at most, in seconds.
_FRESH = 0.4
_PROBE_SECONDS = 1.0


@dataclass(frozen=True)
class Start:
    """A call that a worker has taken up: which worker, and for how many seconds by now."""

    worker: int
    seconds: float


class StartWatch:
    """Knows since when each worker has been at the call it took up last.

    Args:
        read: reads the ticket of the call that each worker took up last, int64 [workers].
        roster: told of workers that take up calls.
    """

    def __init__(self, read: Callable[[], Any], roster: Roster) -> None:
        self._read = read
        self._roster = roster
        self._lock = threading.Lock()
        self._read_at = -_FRESH
        self._seen: dict[int, tuple[int, float]] = {}

    def started(self, ticket: int) -> Start | None:
        """Who has taken up the call of this ticket; None while nobody has."""
        with self._lock:
            now = time.monotonic()
            if now - self._read_at > _FRESH:
                self._refresh(now)
            present = self._roster.present
            for worker, (seen, since) in self._seen.items():
                if seen == ticket and worker in present:
                    return Start(worker, now - since)
        return None

    def _refresh(self, now: float) -> None:
        for worker, ticket in enumerate(map(int, self._read())):
            before = self._seen.get(worker)
            if before is None or before[0] != ticket:
                self._seen[worker] = (ticket, now)
                if before is not None:
                    self._roster.answered(worker)
        self._read_at = now


class PortWatch(threading.Thread):
    """Tries now and then whether the workers' ports are open, and tells the roster who is dead.

    TensorFlow does not tell of dead workers, it only runs their closures elsewhere.

    Args:
        addresses: `host:port` of every worker.
        roster: told of workers that cannot be reached twice in a row.
    """

    def __init__(self, addresses: Sequence[str], roster: Roster) -> None:
        super().__init__(name="port-watch", daemon=True)
        self._addresses = addresses
        self._roster = roster

    def run(self) -> None:
        """Probe for as long as the process lives."""
        failures = [0] * len(self._addresses)
        while True:
            for worker, address in enumerate(self._addresses):
                failures[worker] = 0 if reachable(address) else failures[worker] + 1
                if failures[worker] >= 2:
                    self._roster.lost(worker, "its port is closed")
            time.sleep(_PROBE_SECONDS)
