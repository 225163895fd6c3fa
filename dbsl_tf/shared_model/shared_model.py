"""The coordinator's side of the shared model: merges, snapshots, the state to save."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from dbsl_tf.engine.engine import Engine
from dbsl_tf.engine.failures import naming_lost_servers
from dbsl_tf.shared_model.exchange import Exchange
from dbsl_tf.shared_model.merge import MergeRule, weighted_mean
from dbsl_tf.shared_model.stored_model import ModelState, Slot, StoredModel


class SharedModel:
    """Global weights g, changed only by whole-model merges, each counted once.

    A worker pushes its weights into a slot that belongs to its mini-epoch alone; the coordinator,
    the only one who merges, then merges the slot on the parameter servers. A closure that is run
    again after its worker died only overwrites its slot, so no update is lost or counted twice.
    Pulls and merges exclude each other by a lock on the server of the commit's number, so a pull
    never sees half a merge, and the commit number that comes with it is the one of these weights.

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
        self._merge_on_servers = self._merge_on_servers.get_concrete_function(
            slot.weights, slot.velocity, worker, factor
        )
        self._merge_round_on_servers.get_concrete_function(
            [slot.weights for slot in slots],
            [slot.velocity for slot in slots],
            tf.fill([len(slots)], worker),
            tf.fill([len(slots)], factor),
        )
        self.take_snapshot()
        self.read_snapshot()
        self.state()

    def merge(self, slot: Slot, worker: int, update_factor: float) -> int:
        """Merge what `worker` has pushed as one commit.

        Returns:
            The commit's number, from 1.
        """
        with naming_lost_servers():
            return int(
                self._merge_on_servers(
                    slot.weights, slot.velocity, np.int64(worker), np.float32(update_factor)
                )
            )

    def merge_round(
        self, slots: Sequence[Slot], workers: Sequence[int], update_factors: Sequence[float]
    ) -> int:
        """BSP: replace g by the mean of all that was pushed, each weighted by its update factor.

        Args:
            slots: one for each mini-epoch of the round.
            workers: who trained them.
            update_factors: of these workers.

        Returns:
            The number of the last commit; every mini-epoch counts as one.
        """
        with naming_lost_servers():
            return int(
                self._merge_round_on_servers(
                    [slot.weights for slot in slots],
                    [slot.velocity for slot in slots],
                    np.array(workers, np.int64),
                    np.array(update_factors, np.float32),
                )
            )

    def take_snapshot(self) -> int:
        """Copy the global weights on the servers for evaluation; the commit they belong to."""
        with naming_lost_servers():
            return int(self._snapshot_on_servers())

    def read_snapshot(self) -> list[np.ndarray]:
        """The snapshot's weights in the model's order, fetched in one call."""
        with naming_lost_servers():
            pieces = [piece.numpy() for piece in self._read(self._stored.snapshot)]
        return self._stored.packing.unpack_arrays(pieces)

    def state(self) -> ModelState:
        """The present state, all of one commit."""
        with naming_lost_servers():
            commit, *pieces = (value.numpy() for value in self._read_on_servers())
        count = len(self._stored.weights)
        return ModelState(
            int(commit),
            self._stored.packing.unpack_arrays(pieces[:count]),
            self._stored.velocity_packing.unpack_arrays(pieces[count:]),
        )

    def _merge(
        self,
        slot: Sequence[tf.Variable],
        velocity: Sequence[tf.Variable],
        worker: tf.Tensor,
        update_factor: tf.Tensor,
    ) -> tf.Tensor:
        def merged() -> list[tf.Operation]:
            assigned = []
            for weight, pushed in zip(self._stored.weights, slot):
                with tf.device(weight.device):
                    value = self._merge_rule(weight, pushed, update_factor)
                    assigned.append(weight.assign(value, read_value=False))
            return assigned + self._adopt_velocity(velocity, worker)

        return self._commit_after(merged, 1)

    def _merge_round(
        self,
        slots: Sequence[Sequence[tf.Variable]],
        velocities: Sequence[Sequence[tf.Variable]],
        workers: tf.Tensor,
        update_factors: tf.Tensor,
    ) -> tf.Tensor:
        def merged() -> list[tf.Operation]:
            assigned = []
            for weight, *pushed in zip(self._stored.weights, *slots):
                with tf.device(weight.device):
                    value = weighted_mean(pushed, tf.unstack(update_factors, len(pushed)))
                    assigned.append(weight.assign(value, read_value=False))
            for velocity, worker in zip(velocities, tf.unstack(workers, len(slots))):
                assigned += self._adopt_velocity(velocity, worker)
            return assigned

        return self._commit_after(merged, len(slots))

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

    def _commit_after(self, merged: Callable[[], list[tf.Operation]], count: int) -> tf.Tensor:
        """Run `merged` under the lock and count its commits; the last one's number."""

        def merge_and_count() -> tf.Tensor:
            with tf.control_dependencies(merged()), tf.device(self._stored.commit.device):
                counted = self._stored.commit.assign_add(count, read_value=False)
            # The lock is held until this value exists: it must depend on every assignment, and be
            # a value, not a variable that is read later.
            with tf.control_dependencies([counted]):
                return self._stored.commit.read_value()

        return self._stored.lock.execute(merge_and_count)

    def _take_snapshot(self) -> tf.Tensor:
        return self._stored.copy_weights(self._stored.snapshot)

    def _read_state(self) -> list[tf.Tensor]:
        variables = [self._stored.commit, *self._stored.weights, *self._stored.velocity]
        return self._stored.lock.execute(lambda: [v.read_value() for v in variables])
