"""Passes the records of a run on to its observers, beside the training."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from dbsl_tf.results.records import (
    CommitRecord,
    DriftRecord,
    Durable,
    EvaluationRecord,
    FaultRecord,
    Observer,
)

# With so many records waiting, whoever makes another one waits for the observers.
_MOST = 1000


class RecordWriter:
    """An observer that passes on what it is told, in order, in a thread of its own.

    So no commit waits for files. Thread-safe. An observer that fails ends the run; from then on
    none of them is told anything.

    Args:
        observers: told one after the other.
    """

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers
        self._changed = threading.Condition()
        self._waiting: deque[tuple[str, Any]] = deque()
        self._taken = self._told = 0
        self._error: BaseException | None = None

    def start(self, fail: Callable[[BaseException], None]) -> None:
        """Begin to pass records on; `fail` is given what an observer raises."""

        def pass_on() -> None:
            try:
                while True:
                    self._pass_next_on()
            except BaseException as error:
                with self._changed:
                    self._error = error
                    self._changed.notify_all()
                fail(error)

        threading.Thread(target=pass_on, name="records", daemon=True).start()

    def committed(self, record: CommitRecord) -> None:
        self._take("committed", record)

    def evaluated(self, record: EvaluationRecord) -> None:
        self._take("evaluated", record)

    def drifted(self, record: DriftRecord) -> None:
        self._take("drifted", record)

    def survived(self, record: FaultRecord) -> None:
        self._take("survived", record)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until the observers have been told of every record taken so far.

        Args:
            timeout: seconds it may take; None: as long as it takes.

        Returns:
            Whether they have been.

        Raises:
            Exception: what an observer has raised.
        """
        with self._changed:
            taken = self._taken
            self._changed.wait_for(lambda: self._told >= taken or self._error, timeout)
            if self._error is not None:
                raise self._error
            return self._told >= taken

    def sync(self) -> None:
        """Wait likewise, and until what they have written lies on the disk.

        Raises:
            Exception: what an observer has raised.
        """
        self.flush()
        for observer in self._observers:
            if isinstance(observer, Durable):
                observer.sync()

    def _take(self, what: str, record: Any) -> None:
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < _MOST or self._error)
            if self._error is None:
                self._waiting.append((what, record))
                self._taken += 1
                self._changed.notify_all()

    def _pass_next_on(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            what, record = self._waiting.popleft()
        for observer in self._observers:
            getattr(observer, what)(record)
        with self._changed:
            self._told += 1
            self._changed.notify_all()
