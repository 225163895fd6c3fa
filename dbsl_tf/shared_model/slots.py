"""Slots that are free for the next mini-epoch."""

from __future__ import annotations

import threading

from dbsl_tf.shared_model.shared_model import SharedModel
from dbsl_tf.shared_model.stored_model import Slot


class SlotPool:
    """Lends slots; makes another one where all are out, as when a worker hangs. Thread-safe.

    Args:
        shared_model: whose slots.
        count: how many to begin with.
    """

    def __init__(self, shared_model: SharedModel, count: int) -> None:
        self._shared_model = shared_model
        self._free = [shared_model.new_slot() for _ in range(count)]
        self._lock = threading.Lock()

    def take(self) -> Slot:
        """A slot that nobody else has."""
        with self._lock:
            return self._free.pop() if self._free else self._shared_model.new_slot()

    def give_back(self, slot: Slot) -> None:
        """Take back a slot that no closure will write to any more."""
        with self._lock:
            self._free.append(slot)
