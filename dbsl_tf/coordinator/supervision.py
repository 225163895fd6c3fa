"""What ends a training, and what all of its parts report to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from dbsl_tf.coordinator.record_writer import RecordWriter
from dbsl_tf.engine.stalls import StallWatch


class Shutdown:
    """The end of a training: it has finished, was interrupted, or failed. Thread-safe.

    Attributes:
        failure: what went wrong; None: nothing so far.
    """

    def __init__(self) -> None:
        self._begun = threading.Event()
        self._listeners: list[Callable[[], None]] = []
        self.failure: BaseException | None = None

    @property
    def begun(self) -> bool:
        """Whether nothing more may begin."""
        return self._begun.is_set()

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Calls `listener` when the shutdown begins, perhaps more than once."""
        self._listeners.append(listener)

    def stop(self) -> None:
        """Begins the shutdown: nothing more begins, and nothing more is merged."""
        self._begun.set()
        for listener in self._listeners:
            listener()

    def fail(self, error: BaseException) -> None:
        """Ends the training with `error`, unless something else has already ended it."""
        if self.failure is None and not self.begun:
            self.failure = error
        self.stop()


@dataclass(frozen=True)
class Supervision:
    """What all parts of a training report to.

    Attributes:
        records: take what happens, in order.
        shutdown: takes what goes wrong.
        stalls: watches whatever the coordinator waits for.
    """

    records: RecordWriter
    shutdown: Shutdown
    stalls: StallWatch
