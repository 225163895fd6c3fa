"""Passes the records of a run on to its observers while it trains."""

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
    NoiseObserver,
    NoiseRecord,
    Observer,
    WorkersObserver,
    WorkersRecord,
)

# With so many records queued, whoever adds another one waits for the observers.
_MOST = 1000

# Kinds of records that only some observers get.
_NOT_FOR_ALL = ((NoiseRecord, NoiseObserver), (WorkersRecord, WorkersObserver))


class RecordWriter:
    """An observer that passes records on to others, in order, in a thread of its own.

    So no commit waits for files. Thread-safe. An observer that fails ends the run; after that no
    observer gets any more records.

    Args:
        observers: each gets every record, in this order.
    """

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers
        self._changed = threading.Condition()
        self._queue: deque[tuple[str, Any]] = deque()
        self._accepted = self._delivered = 0
        self._error: BaseException | None = None

    def start(self, fail: Callable[[BaseException], None]) -> None:
        """Starts to pass records on; calls `fail` with what an observer raises."""

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
        self._accept("committed", record)

    def evaluated(self, record: EvaluationRecord) -> None:
        self._accept("evaluated", record)

    def noise_measured(self, record: NoiseRecord) -> None:
        """Passes it on to those that are `NoiseObserver`s."""
        self._accept("noise_measured", record)

    def drifted(self, record: DriftRecord) -> None:
        self._accept("drifted", record)

    def planned_for_present(self, record: WorkersRecord) -> None:
        """Passes it on to those that are `WorkersObserver`s."""
        self._accept("planned_for_present", record)

    def faulted(self, record: FaultRecord) -> None:
        self._accept("faulted", record)

    def flush(self, timeout: float | None = None) -> bool:
        """Waits until the observers have had every record accepted so far.

        Args:
            timeout: seconds it may take; None: no limit.

        Returns:
            Whether they have had them all.

        Raises:
            Exception: what an observer has raised.
        """
        with self._changed:
            accepted = self._accepted
            self._changed.wait_for(lambda: self._delivered >= accepted or self._error, timeout)
            if self._error is not None:
                raise self._error
            return self._delivered >= accepted

    def sync(self) -> None:
        """Flushes, and waits until what the observers have written is on the disk.

        Raises:
            Exception: what an observer has raised.
        """
        self.flush()
        for observer in self._observers:
            if isinstance(observer, Durable):
                observer.sync()

    def _accept(self, what: str, record: Any) -> None:
        with self._changed:
            self._changed.wait_for(lambda: len(self._queue) < _MOST or self._error)
            if self._error is None:
                self._queue.append((what, record))
                self._accepted += 1
                self._changed.notify_all()

    def _pass_next_on(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue)
            what, record = self._queue.popleft()
        for observer in self._observers:
            if all(
                not isinstance(record, kind) or isinstance(observer, wanted)
                for kind, wanted in _NOT_FOR_ALL
            ):
                getattr(observer, what)(record)
        with self._changed:
            self._delivered += 1
            self._changed.notify_all()
