"""Which workers take part at present."""

from __future__ import annotations

import threading
from collections.abc import Callable

from dbsl_tf.common import awake

Listener = Callable[[int, str | None], None]


class Membership:
    """Which workers take part: all but those found dead or hung, or leaving.

    A lost worker takes part again as soon as it answers, one that was leaving not before it has
    been started again. Thread-safe.

    Args:
        workers: number of workers (n).
        reachable: returns whether something listens where a worker is expected; the last result of
            one that is gone, which may come late, does not bring it back.
    """

    def __init__(
        self, workers: int, reachable: Callable[[int], bool] = lambda worker: True
    ) -> None:
        # Why, and since when.
        self._absent: dict[int, tuple[str, float]] = {}
        self._leaving: set[int] = set()
        self._workers = workers
        self._reachable = reachable
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> None:
        """Calls `listener(worker, reason)` at every change from now on.

        Args:
            listener: `reason` says why the worker was lost; None: it is back.
        """
        self._listeners.append(listener)

    @property
    def present(self) -> tuple[int, ...]:
        """The indices of the workers that take part."""
        with self._lock:
            return tuple(w for w in range(self._workers) if w not in self._absent)

    @property
    def absent(self) -> dict[int, str]:
        """Why workers do not take part, by their indices."""
        with self._lock:
            return {worker: reason for worker, (reason, _) in self._absent.items()}

    @property
    def absent_seconds(self) -> dict[int, float]:
        """For how many seconds workers have not taken part, by their indices."""
        with self._lock:
            now = awake.seconds()
            return {worker: now - since for worker, (_, since) in self._absent.items()}

    def mark_lost(self, worker: int, reason: str) -> None:
        """Records that `worker` was found dead or hung."""
        with self._lock:
            changed = worker not in self._absent
            self._absent.setdefault(worker, (reason, awake.seconds()))
        if changed:
            self._notify(worker, reason)

    def mark_leaving(self, worker: int, reason: str) -> None:
        """Records that `worker` is about to end; until `mark_staying` it is lost."""
        with self._lock:
            self._leaving.add(worker)
        self.mark_lost(worker, reason)

    def mark_staying(self, worker: int) -> None:
        """Records that `worker` is not about to end, or has been started again."""
        with self._lock:
            self._leaving.discard(worker)

    def mark_alive(self, worker: int) -> None:
        """Records that `worker` has just begun or finished a call, unless it is gone since."""
        with self._lock:
            if worker in self._leaving or worker not in self._absent:
                return
        if not self._reachable(worker):
            return
        with self._lock:
            if worker in self._leaving:
                return
            changed = self._absent.pop(worker, None) is not None
        if changed:
            self._notify(worker, None)

    def _notify(self, worker: int, reason: str | None) -> None:
        for listener in self._listeners:
            listener(worker, reason)
