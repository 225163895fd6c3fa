"""The weights on the parameter servers: the global ones, and a slot for each pushed model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from dbsl_tf.coordinator.engine import Engine, naming_lost_servers
from dbsl_tf.coordinator.merge import MergeRule, weighted_mean


@dataclass(frozen=True)
class Pulled:
    """In a closure: what a worker begins a mini-epoch with.

    Attributes:
        commit: number of the commit that the weights belong to, int64 scalar.
        weights: in the model's order.
        velocity: of the worker's optimiser; empty where it is not kept.
    """

    commit: tf.Tensor
    weights: list[tf.Tensor]
    velocity: list[tf.Tensor]


@dataclass(frozen=True)
class Slot:
    """The variables that one mini-epoch is pushed into; pass them to its closure.

    Attributes:
        weights: in the model's order.
        velocity: of the optimiser; empty where it is not kept.
    """

    weights: list[tf.Variable]
    velocity: list[tf.Variable]

    def variables(self) -> list[tf.Variable]:
        """All of them in one list."""
        return [*self.weights, *self.velocity]


@dataclass(frozen=True)
class ModelState:
    """Everything the parameter servers hold of a run, as float32 arrays.

    Attributes:
        commit: number of the commit that the weights belong to.
        weights: in the model's order.
        velocity: of every worker's optimiser, [workers, ...] for each trainable weight; empty
            where it is not kept.
    """

    commit: int
    weights: list[np.ndarray]
    velocity: list[np.ndarray]


class SharedModel:
    """Global weights g, changed only by whole-model merges, each counted once.

    A worker pushes its weights into a slot that belongs to its mini-epoch alone; the coordinator,
    the only one who merges, then merges the slot on the parameter servers. A closure that is run
    again after its worker died only overwrites its slot, so no update is lost or counted twice.
    Pulls and merges exclude each other by a lock on the first parameter server, so a pull never
    sees half a merge, and the commit number that comes with it is the one of these weights.

    The velocity of each worker's optimiser, where it is kept, is pushed into the slot too and
    becomes the worker's only with the merge.

    Args:
        engine: the connected cluster.
        state: what to start from; it says by its velocity whether that is kept.
        merge_rule: see `dbsl_tf.coordinator.merge`.
    """

    def __init__(self, engine: Engine, state: ModelState, merge_rule: MergeRule) -> None:
        self._merge_rule = merge_rule
        self._commit = engine.variables([np.int64(state.commit)])[0]
        self._weights = engine.variables(state.weights)
        self._velocity = engine.variables(state.velocity)
        self._snapshot = _zeros_beside(self._weights, [w.shape for w in self._weights])
        with tf.device(self._commit.device):
            self._lock = tf.CriticalSection(name="global_weights")
        self._merge_on_servers = tf.function(self._merge)
        self._merge_round_on_servers = tf.function(self._merge_round)
        self._snapshot_on_servers = tf.function(self._take_snapshot)
        self._read_on_servers = tf.function(self._read_state)
        self._read = tf.function(lambda variables: [v.read_value() for v in variables])

    def new_slot(self) -> Slot:
        """Variables for one mini-epoch in flight: a model copy on the parameter servers."""
        return Slot(
            _zeros_beside(self._weights, [w.shape for w in self._weights]),
            _zeros_beside(self._velocity, [v.shape[1:] for v in self._velocity]),
        )

    def warm_up(self, slots: Sequence[Slot]) -> None:
        """Trace everything that training needs.

        Each function is made known to every worker when it is traced, which would wait for one
        that hangs.

        Args:
            slots: as many as there are workers.
        """
        slot, worker, factor = slots[0], tf.constant(0, tf.int64), tf.constant(1.0)
        self._merge_on_servers.get_concrete_function(slot.weights, slot.velocity, worker, factor)
        self._merge_round_on_servers.get_concrete_function(
            [slot.weights for slot in slots],
            [slot.velocity for slot in slots],
            tf.fill([len(slots)], worker),
            tf.fill([len(slots)], factor),
        )
        self.take_snapshot()
        self.read_snapshot()
        self.state()

    @property
    def snapshot_variables(self) -> list[tf.Variable]:
        """The copy that `take_snapshot` fills; it changes at no other time."""
        return self._snapshot

    def pull(self, slot: Sequence[tf.Variable], worker: tf.Tensor) -> Pulled:
        """In a closure: what `worker` (int64 scalar) begins with, all of one commit.

        The weights are copied to the slot on the servers first, and then sent. Nothing that the
        lock is held for waits for the worker, so one that hangs holds nobody up.
        """
        count = len(self._weights)

        def copy() -> tf.Tensor:
            with tf.control_dependencies(_copies(self._weights, slot[:count])):
                with tf.device(self._commit.device):
                    return self._commit.read_value()

        commit = self._lock.execute(copy)
        with tf.control_dependencies([commit]):
            weights = [variable.read_value() for variable in slot[:count]]
        # Only the merge of a mini-epoch of this worker changes its velocity.
        velocity = [variable.sparse_read(worker) for variable in self._velocity]
        return Pulled(commit, weights, velocity)

    @staticmethod
    def push(variables: Sequence[tf.Variable], values: Sequence[tf.Tensor]) -> tf.Operation:
        """In a closure: write `values` into the variables of a slot."""
        return tf.group(
            *(variable.assign(v, read_value=False) for variable, v in zip(variables, values))
        )

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
            return [w.numpy() for w in self._read(self._snapshot)]

    def state(self) -> ModelState:
        """The present state, all of one commit."""
        with naming_lost_servers():
            commit, *rest = (value.numpy() for value in self._read_on_servers())
        count = len(self._weights)
        return ModelState(int(commit), rest[:count], rest[count:])

    def _merge(
        self,
        slot: Sequence[tf.Variable],
        velocity: Sequence[tf.Variable],
        worker: tf.Tensor,
        update_factor: tf.Tensor,
    ) -> tf.Tensor:
        def merged() -> list[tf.Operation]:
            assigned = []
            for weight, pushed in zip(self._weights, slot):
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
            for weight, *pushed in zip(self._weights, *slots):
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
        for velocity, mine in zip(self._velocity, pushed):
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
            with tf.control_dependencies(merged()), tf.device(self._commit.device):
                counted = self._commit.assign_add(count, read_value=False)
            # The lock is held until this value exists: it must depend on every assignment, and be
            # a value, not a variable that is read later.
            with tf.control_dependencies([counted]):
                return self._commit.read_value()

        return self._lock.execute(merge_and_count)

    def _take_snapshot(self) -> tf.Tensor:
        def copy() -> tf.Tensor:
            with tf.control_dependencies(_copies(self._weights, self._snapshot)):
                with tf.device(self._commit.device):
                    return self._commit.read_value()

        return self._lock.execute(copy)

    def _read_state(self) -> list[tf.Tensor]:
        variables = [self._commit, *self._weights, *self._velocity]
        return self._lock.execute(lambda: [v.read_value() for v in variables])


def _copies(sources: Sequence[tf.Variable], targets: Sequence[tf.Variable]) -> list[tf.Operation]:
    """Operations that copy each source to its target, on the server where both are."""
    copied = []
    for source, target in zip(sources, targets):
        with tf.device(source.device):
            copied.append(target.assign(source.read_value(), read_value=False))
    return copied


def _zeros_beside(
    variables: Sequence[tf.Variable], shapes: Sequence[tf.TensorShape]
) -> list[tf.Variable]:
    """New variables of these shapes, each on the server of its counterpart."""
    created = []
    for variable, shape in zip(variables, shapes):
        with tf.device(variable.device):
            created.append(tf.Variable(tf.zeros(shape, variable.dtype), trainable=False))
    return created
