"""Which workers take part at present."""

from __future__ import annotations

import threading
from collections.abc import Callable

Listener = Callable[[int, str | None], None]


class Roster:
    """Who takes part: every worker, but for those that were found dead or hung.

    An absent worker takes part again from when it answers. Thread-safe.

    Args:
        workers: number of workers (n).
    """

    def __init__(self, workers: int) -> None:
        self._absent: dict[int, str] = {}
        self._workers = workers
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> None:
        """Have `listener(worker, reason)` called at every change; no reason: it is back."""
        self._listeners.append(listener)

    @property
    def present(self) -> tuple[int, ...]:
        """The indices of the workers that take part."""
        with self._lock:
            return tuple(w for w in range(self._workers) if w not in self._absent)

    def lost(self, worker: int, reason: str) -> None:
        """Take note that `worker` was found dead or hung."""
        with self._lock:
            news = worker not in self._absent
            self._absent.setdefault(worker, reason)
        if news:
            self._tell(worker, reason)

    def answered(self, worker: int) -> None:
        """Take note that `worker` has taken up or finished something just now."""
        with self._lock:
            news = self._absent.pop(worker, None) is not None
        if news:
            self._tell(worker, None)

    def _tell(self, worker: int, reason: str | None) -> None:
        for listener in self._listeners:
            listener(worker, reason)
