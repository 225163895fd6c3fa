"""The weights on the parameter servers: the global ones, and a slot for each pushed model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from dbsl_tf.coordinator.engine import Engine, naming_lost_servers
from dbsl_tf.coordinator.merge import MergeRule


class SharedModel:
    """Global weights g, changed only by whole-model merges, each counted once.

    A worker pushes its weights into a slot that belongs to its mini-epoch alone; the coordinator,
    the only one who merges, then merges the slot on the parameter servers. A closure that is run
    again after its worker died only overwrites its slot, so no update is lost or counted twice.
    Pulls and merges exclude each other by a lock on the first parameter server, so a pull never
    sees half a merge, and the commit number that comes with it is the one of these weights.

    Args:
        engine: the connected cluster.
        initial: the weights to start from, float32 arrays in the model's order.
        slots: how many mini-epochs may be in flight at once.
        merge_rule: see `dbsl_tf.coordinator.merge`.
    """

    def __init__(
        self, engine: Engine, initial: Sequence[np.ndarray], slots: int, merge_rule: MergeRule
    ) -> None:
        self._merge_rule = merge_rule
        self._commit = engine.variables([np.int64(0)])[0]
        self._weights = engine.variables(list(initial))
        self._slots = [self._copy_of_weights() for _ in range(slots)]
        self._snapshot = self._copy_of_weights()
        with tf.device(self._commit.device):
            self._lock = tf.CriticalSection(name="global_weights")
        self._merge_on_servers = tf.function(self._merge)
        self._snapshot_on_servers = tf.function(self._take_snapshot)
        self._read = tf.function(lambda variables: [v.read_value() for v in variables])

    def slot(self, index: int) -> list[tf.Variable]:
        """The variables of slot `index`: pass them to a closure, which pushes into them."""
        return self._slots[index]

    @property
    def snapshot_variables(self) -> list[tf.Variable]:
        """The copy that `take_snapshot` fills; it changes at no other time."""
        return self._snapshot

    def pull(self) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """In a closure: the commit number (int64 scalar) and the weights of that commit."""

        def read() -> list[tf.Tensor]:
            return [self._commit.read_value(), *(w.read_value() for w in self._weights)]

        commit, *weights = self._lock.execute(read)
        return commit, weights

    @staticmethod
    def push(slot: Sequence[tf.Variable], weights: Sequence[tf.Tensor]) -> tf.Operation:
        """In a closure: write `weights` into its slot."""
        return tf.group(
            *(variable.assign(w, read_value=False) for variable, w in zip(slot, weights))
        )

    def merge(self, slot: int, update_factor: float) -> int:
        """Merge a slot into the global weights as one commit; the commit's number, from 1."""
        with naming_lost_servers():
            return int(self._merge_on_servers(self._slots[slot], np.float32(update_factor)))

    def take_snapshot(self) -> int:
        """Copy the global weights on the servers for evaluation; the commit they belong to."""
        with naming_lost_servers():
            return int(self._snapshot_on_servers())

    def read_snapshot(self) -> list[np.ndarray]:
        """The snapshot's weights in the model's order, fetched in one call."""
        with naming_lost_servers():
            return [w.numpy() for w in self._read(self._snapshot)]

    def _copy_of_weights(self) -> list[tf.Variable]:
        copies = []
        for weight in self._weights:
            with tf.device(weight.device):
                copies.append(tf.Variable(tf.zeros_like(weight), trainable=False))
        return copies

    def _merge(self, slot: Sequence[tf.Variable], update_factor: tf.Tensor) -> tf.Tensor:
        def merge_all() -> tf.Tensor:
            merged = []
            for weight, pushed in zip(self._weights, slot):
                with tf.device(weight.device):
                    merged.append(
                        weight.assign(
                            self._merge_rule(weight, pushed, update_factor), read_value=False
                        )
                    )
            with tf.control_dependencies(merged), tf.device(self._commit.device):
                counted = self._commit.assign_add(1, read_value=False)
            # The lock is held until this value exists: it must depend on every assignment, and be
            # a value, not a variable that is read later.
            with tf.control_dependencies([counted]):
                return self._commit.read_value()

        return self._lock.execute(merge_all)

    def _take_snapshot(self) -> tf.Tensor:
        def copy_all() -> tf.Tensor:
            copied = []
            for weight, copy in zip(self._weights, self._snapshot):
                with tf.device(weight.device):
                    copied.append(copy.assign(weight, read_value=False))
            with tf.control_dependencies(copied), tf.device(self._commit.device):
                return tf.identity(self._commit)

        return self._lock.execute(copy_all)
