"""The coordinator's side of the shared model: merges, snapshots, the state to save."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from dbsl_tf.engine.engine import Engine
from dbsl_tf.engine.failures import naming_lost_servers
from dbsl_tf.shared_model.exchange import Exchange
from dbsl_tf.shared_model.merge import MergeRule, weighted_mean
from dbsl_tf.shared_model.stored_model import ModelState, Slot, StoredModel


class SharedModel:
    """Global weights g, changed only by whole-model merges, each counted once.

    A mini-epoch has a slot of its own on the parameter servers: the coordinator fills it with the
    global weights, a worker begins with them and pushes its own weights there, and the coordinator,
    the only one who merges, merges the slot. A closure that is run again after its worker died
    either begins with the same weights or says that they are gone, so no update is lost or counted
    twice. Only the coordinator touches the global weights, one operation at a time, so nobody sees
    half a merge, and no worker that hangs holds anybody up. Thread-safe.

    The velocity of each worker's optimiser, where it is kept, is pushed into the slot too and
    becomes the worker's only with the merge.

    Args:
        engine: the connected cluster.
        state: what to start from; it says by its velocity whether that is kept.
        merge_rule: see `dbsl_tf.shared_model.merge`.
        transfer_dtype: type in which pulls and pushes send weights.

    Attributes:
        exchange: the workers' side.
    """

    def __init__(
        self,
        engine: Engine,
        state: ModelState,
        merge_rule: MergeRule,
        transfer_dtype: tf.DType = tf.float32,
    ) -> None:
        self._merge_rule = merge_rule
        self._stored = StoredModel(engine, state, transfer_dtype)
        self.exchange = Exchange(self._stored)
        self._lock = threading.Lock()
        self._commit = state.commit
        self._fill_on_servers = tf.function(self._fill, autograph=False)
        self._merge_on_servers = tf.function(self._merge, autograph=False)
        self._merge_round_on_servers = tf.function(self._merge_round, autograph=False)
        self._snapshot_on_servers = tf.function(self._take_snapshot, autograph=False)
        self._read_on_servers = tf.function(self._read_state, autograph=False)
        self._read = tf.function(
            lambda variables: [v.read_value() for v in variables], autograph=False
        )

    def new_slot(self) -> Slot:
        """Variables for one mini-epoch in flight; see `StoredModel.new_slot`."""
        return self._stored.new_slot()

    def warm_up(self, slots: Sequence[Slot]) -> None:
        """Trace everything that training needs; once, before it.

        Each function is made known to every worker when it is traced, which would wait for one
        that hangs.

        Args:
            slots: as many as there are workers.
        """
        slot, worker, factor = slots[0], tf.constant(0, tf.int64), tf.constant(1.0)
        # From now on no call has to look for the trace that fits it.
        self._fill_on_servers = self._fill_on_servers.get_concrete_function(slot.variables())
        self._merge_on_servers = self._merge_on_servers.get_concrete_function(
            slot.variables(), worker, factor
        )
        # A run that is resumed in the middle of an epoch has a first round of fewer.
        for count in range(1, len(slots) + 1):
            self._merge_round_on_servers.get_concrete_function(
                [slot.variables() for slot in slots[:count]],
                tf.fill([count], worker),
                tf.fill([count], factor),
            )
        self.take_snapshot()
        self.read_snapshot()
        self.state()

    def fill(self, slot: Slot) -> int:
        """Give a slot the global weights to begin with, before a mini-epoch gets it.

        Returns:
            The commit that they belong to.
        """
        with self._lock, naming_lost_servers():
            commit, slot.filled = slot.filled, None
            if commit != self._commit:
                commit = int(self._fill_on_servers(slot.variables()))
            return commit

    def merge(self, slot: Slot, worker: int, update_factor: float) -> int:
        """Merge what `worker` has pushed as one commit, and fill the slot with the outcome.

        Returns:
            The commit's number, from 1.
        """
        with self._lock, naming_lost_servers():
            merged = self._merge_on_servers(
                slot.variables(), np.int64(worker), np.float32(update_factor)
            )
            self._commit = slot.filled = int(merged)
            return self._commit

    def merge_round(
        self, slots: Sequence[Slot], workers: Sequence[int], update_factors: Sequence[float]
    ) -> int:
        """BSP: replace g by the mean of all that was pushed, each weighted by its update factor.

        The slots are filled with the outcome.

        Args:
            slots: one for each mini-epoch of the round.
            workers: who trained them.
            update_factors: of these workers.

        Returns:
            The number of the last commit; every mini-epoch counts as one.
        """
        with self._lock, naming_lost_servers():
            merged = self._merge_round_on_servers(
                [slot.variables() for slot in slots],
                np.array(workers, np.int64),
                np.array(update_factors, np.float32),
            )
            self._commit = int(merged)
            for slot in slots:
                slot.filled = self._commit
            return self._commit

    def take_snapshot(self) -> int:
        """Copy the global weights on the servers for evaluation; the commit they belong to."""
        with self._lock, naming_lost_servers():
            return int(self._snapshot_on_servers())

    def read_snapshot(self) -> list[np.ndarray]:
        """The snapshot's weights in the model's order, fetched in one call."""
        with naming_lost_servers():
            pieces = [piece.numpy() for piece in self._read(self._stored.snapshot)]
        return self._stored.packing.unpack_arrays(pieces)

    def state(self) -> ModelState:
        """The present state, all of one commit."""
        with self._lock, naming_lost_servers():
            commit, *pieces = (value.numpy() for value in self._read_on_servers())
        count = len(self._stored.weights)
        return ModelState(
            int(commit),
            self._stored.packing.unpack_arrays(pieces[:count]),
            self._stored.velocity_packing.unpack_arrays(pieces[count:]),
        )

    def _fill(self, variables: Sequence[tf.Variable]) -> tf.Tensor:
        slot = self._stored.slot_of(variables)
        weights = [weight.read_value() for weight in self._stored.weights]
        with tf.control_dependencies(self._refill(slot, weights)):
            return self._stored.commit.read_value()

    def _merge(
        self, variables: Sequence[tf.Variable], worker: tf.Tensor, update_factor: tf.Tensor
    ) -> tf.Tensor:
        slot = self._stored.slot_of(variables)
        merged, values = [], []
        for weight, pushed in zip(self._stored.weights, slot.weights):
            with tf.device(weight.device):
                values.append(self._merge_rule(weight, pushed, update_factor))
                merged.append(weight.assign(values[-1], read_value=False))
        merged += self._adopt_velocity(slot.velocity, worker)
        return self._count(merged + self._refill(slot, values), 1)

    def _merge_round(
        self,
        variables: Sequence[Sequence[tf.Variable]],
        workers: tf.Tensor,
        update_factors: tf.Tensor,
    ) -> tf.Tensor:
        slots = [self._stored.slot_of(each) for each in variables]
        factors = tf.unstack(update_factors, len(slots))
        merged, values = [], []
        for weight, *pushed in zip(self._stored.weights, *(slot.weights for slot in slots)):
            with tf.device(weight.device):
                values.append(weighted_mean(pushed, factors))
                merged.append(weight.assign(values[-1], read_value=False))
        for slot, worker in zip(slots, tf.unstack(workers, len(slots))):
            merged += self._adopt_velocity(slot.velocity, worker) + self._refill(slot, values)
        return self._count(merged, len(slots))

    def _refill(self, slot: Slot, values: Sequence[tf.Tensor]) -> list[tf.Operation]:
        """Have the next mini-epoch begin with these weights, which were made of the slot's."""
        filled = []
        for variable, value in zip(slot.start, values):
            with tf.device(variable.device), tf.control_dependencies([value]):
                filled.append(variable.assign(value, read_value=False))
        for server, flag in zip(self._stored.servers, slot.pushed):
            with tf.device(server):
                filled.append(flag.assign(False, read_value=False))
        return filled

    def _adopt_velocity(
        self, pushed: Sequence[tf.Variable], worker: tf.Tensor
    ) -> list[tf.Operation]:
        adopted = []
        for velocity, mine in zip(self._stored.velocity, pushed):
            with tf.device(velocity.device):
                adopted.append(
                    tf.raw_ops.ResourceScatterUpdate(
                        resource=velocity.handle,
                        indices=tf.reshape(worker, [1]),
                        updates=mine.read_value()[tf.newaxis],
                    )
                )
        return adopted

    def _count(self, merged: Sequence[tf.Operation], count: int) -> tf.Tensor:
        """Count commits after what they merge; the last one's number."""
        with tf.control_dependencies(merged), tf.device(self._stored.commit.device):
            return self._stored.commit.assign_add(count).read_value()

    def _take_snapshot(self) -> tf.Tensor:
        copied = []
        for weight, copy in zip(self._stored.weights, self._stored.snapshot):
            with tf.device(weight.device):
                copied.append(copy.assign(weight.read_value(), read_value=False))
        with tf.control_dependencies(copied):
            return self._stored.commit.read_value()

    def _read_state(self) -> list[tf.Tensor]:
        variables = [self._stored.commit, *self._stored.weights, *self._stored.velocity]
        return [variable.read_value() for variable in variables]


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

    def release(self, slot: Slot) -> None:
        """Take back a slot that no closure will write to any more."""
        with self._lock:
            self._free.append(slot)
