"""Slots for the mini-epochs in flight."""

from __future__ import annotations

import itertools
import threading

from dbsl_tf.shared_model.shared_model import SharedModel
from dbsl_tf.shared_model.stored_model import Slot


class SlotPool:
    """Lends slots, and adds one when all are in use, such as when a worker hangs. Thread-safe.

    Args:
        shared_model: makes the slots.
        count: number of slots at first.
    """

    def __init__(self, shared_model: SharedModel, count: int) -> None:
        self._shared_model = shared_model
        self._free = [shared_model.new_slot() for _ in range(count)]
        self._attempts = itertools.count(1)
        self._lent: set[int] = set()
        self._lock = threading.Lock()

    def take(self) -> Slot:
        """Returns a slot that is not in use, for another attempt at a mini-epoch."""
        with self._lock:
            slot = self._free.pop() if self._free else self._shared_model.new_slot()
            slot.attempt = next(self._attempts)
            self._lent.add(slot.attempt)
            return slot

    def release(self, slot: Slot) -> None:
        """Takes back a slot that no closure will write to any more."""
        with self._lock:
            self._lent.discard(slot.attempt)
            self._free.append(slot)

    def abandon(self, slot: Slot) -> None:
        """Gives up a slot that a worker may still write to which the coordinator has lost.

        Nobody gets it again; its variables end on the servers.
        """
        with self._lock:
            self._lent.discard(slot.attempt)

    def is_lent(self, attempt: int) -> bool:
        """Returns whether the slot of this attempt has not been released yet."""
        with self._lock:
            return attempt in self._lent
