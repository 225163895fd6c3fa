"""What ends a training, and who is told of what happens in it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from dbsl_tf.coordinator.record_writer import RecordWriter
from dbsl_tf.engine.stalls import StallWatch


class Ending:
    """The end of a training: it is finished, interrupted, or something went wrong. Thread-safe."""

    def __init__(self) -> None:
        self._begun = threading.Event()
        self._listeners: list[Callable[[], None]] = []
        self.failure: BaseException | None = None

    @property
    def begun(self) -> bool:
        """Whether nothing more is to begin."""
        return self._begun.is_set()

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Have `listener` called when the end begins, perhaps more than once."""
        self._listeners.append(listener)

    def stop(self) -> None:
        """Begin nothing more and merge nothing more."""
        self._begun.set()
        for listener in self._listeners:
            listener()

    def fail(self, error: BaseException) -> None:
        """End the training by `error`, unless something else has ended it before."""
        if self.failure is None and not self.begun:
            self.failure = error
        self.stop()


@dataclass(frozen=True)
class Supervision:
    """What everything in a training has in common.

    Attributes:
        records: told of what happens, in order.
        ending: told of what goes wrong.
        stalls: watches what is waited for.
    """

    records: RecordWriter
    ending: Ending
    stalls: StallWatch
