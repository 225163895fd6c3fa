"""The coordinator's side of the shared model: merges, snapshots and the state to save."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from dbsl_tf.engine.engine import Engine
from dbsl_tf.engine.failures import naming_lost_servers
from dbsl_tf.engine.hung_workers import ON_CHIEF
from dbsl_tf.schedules.averaging import Averaging
from dbsl_tf.shared_model.averaged import AveragedWeights
from dbsl_tf.shared_model.exchange import Exchange
from dbsl_tf.shared_model.merging import AnyRule, AtCommit, Merger, Merging, Numbers, Updated
from dbsl_tf.shared_model.stored_model import ModelState, Slot, StoredModel

# So outer optimisers go on as if the learning rate stayed at 1.
_NOTHING_KNOWN = AtCommit()


class SharedModel:
    """Global weights g, changed only by whole-model merges, each counted once.

    A mini-epoch has a slot of its own on the parameter servers. The coordinator fills it with the
    global weights, a worker begins with them and pushes its own weights there, and the coordinator
    merges them. Only the first to begin with a slot may push into it: a closure that is run again
    reports that another has begun, as that one may still be running where the coordinator cannot
    reach it. So no update is lost, counted twice or torn. Only the coordinator accesses the global
    weights, one operation at a time, so nobody sees half a merge, and a worker that hangs holds
    nobody up. Thread-safe.

    The state of each worker's optimiser, if it is kept, is pushed into the slot too, and takes
    effect only with the merge. What a merge rule keeps changes with the weights, in one operation.

    Args:
        engine: the connected cluster.
        state: where to start; an optimiser state is kept if it has one.
        merging: how updates enter the weights, or just the rule.
        transfer_dtype: type in which pulls and pushes send weights.
        in_rounds: whether mini-epochs are merged in rounds.
        averaging: how the weights are averaged over commits for evaluation; None: they are not.

    Attributes:
        exchange: the workers' side.
        averaging: as given.
    """

    def __init__(
        self,
        engine: Engine,
        state: ModelState,
        merging: Merging | AnyRule,
        transfer_dtype: tf.DType = tf.float32,
        in_rounds: bool = False,
        averaging: Averaging | None = None,
    ) -> None:
        self._merging = merging if isinstance(merging, Merging) else Merging(merging)
        self._workers = engine.workers
        self._in_rounds = in_rounds
        self._stored = StoredModel(engine, state, transfer_dtype, in_rounds, self._merging.keeping)
        self._merger = Merger(self._merging, self._stored)
        self.averaging = averaging
        self._averaged = (
            AveragedWeights(self._stored, averaging, state.average) if averaging else None
        )
        self.exchange = Exchange(self._stored)
        self._lock = threading.Lock()
        self._commit = state.commit
        self._fill_on_servers = tf.function(self._fill, autograph=False)
        self._merge_on_servers = tf.function(self._merge, autograph=False)
        self._average_on_servers = tf.function(self._average_round, autograph=False)
        self._step_on_servers = tf.function(self._step_of_round, autograph=False)
        self._snapshot_on_servers = tf.function(self._take_snapshot, autograph=False)
        self._write_on_servers = tf.function(self._write_snapshot, autograph=False)
        self._read_on_servers = tf.function(self._read_state, autograph=False)
        self._forget_on_servers = tf.function(self._forget, autograph=False)
        self._read = tf.function(
            lambda variables: [v.read_value() for v in variables], autograph=False
        )

    def new_slot(self) -> Slot:
        """Returns variables for one mini-epoch in flight; see `StoredModel.new_slot`."""
        return self._stored.new_slot()

    def warm_up(self, slots: Sequence[Slot]) -> None:
        """Traces everything that training needs; call it once, before the training.

        Tracing a function sends it to every worker, and so would wait for one that hangs.

        Args:
            slots: one for each worker.
        """
        slot, worker, share = slots[0], tf.constant(0, tf.int64), tf.constant(1.0)
        numbers = Numbers(*map(tf.constant, self._merging.numbers(1.0, 0, 1, 1, AtCommit())))
        # So calls need not look for the matching trace.
        self._fill_on_servers = self._fill_on_servers.get_concrete_function(slot.variables())
        self._merge_on_servers = self._merge_on_servers.get_concrete_function(
            slot.variables(), worker, numbers, share
        )
        # A round may be smaller: the first one of a run resumed in mid-epoch, and where workers
        # come and go.
        for count in range(1, len(slots) + 1) if self._in_rounds else ():
            round_ = (
                [slot.variables() for slot in slots[:count]],
                tf.fill([count], worker),
                tf.fill([count], 1.0),
                share,
            )
            self._average_on_servers.get_concrete_function(*round_)
            if self._merging.steps_in_rounds:
                self._step_on_servers.get_concrete_function(*round_, numbers)
        self._forget_on_servers.get_concrete_function(worker, worker)
        self.take_snapshot()
        self.read_snapshot()
        self.state()

    def fill(self, slot: Slot) -> int:
        """Fills a slot with the global weights, for a mini-epoch to begin with.

        Returns:
            The commit that they belong to.

        Raises:
            ParameterServerLost: a parameter server was lost.
        """
        with self._lock, naming_lost_servers():
            commit, slot.filled = slot.filled, None
            if commit != self._commit:
                commit = int(self._fill_on_servers(slot.variables()))
            slot.start_commit = commit
            return commit

    def merge(
        self, slot: Slot, worker: int, update_factor: float, at: AtCommit = _NOTHING_KNOWN
    ) -> int:
        """Merges what a worker has pushed as one commit, and fills the slot with the result.

        Args:
            slot: that it pushed into.
            worker: its index.
            update_factor: f, the weight of its update.
            at: what an outer optimiser may depend on.

        Returns:
            The number of the commit, from 1.

        Raises:
            ParameterServerLost: a parameter server was lost.
        """
        with self._lock, naming_lost_servers():
            staleness = 0 if slot.start_commit is None else self._commit - slot.start_commit
            numbers = self._numbers(update_factor, staleness, at)
            merged = self._merge_on_servers(
                slot.variables(), np.int64(worker), numbers, self._share(1)
            )
            self._commit = slot.filled = int(merged)
            return self._commit

    def merge_round(
        self,
        slots: Sequence[Slot],
        workers: Sequence[int],
        update_factors: Sequence[float],
        at: AtCommit | None = None,
    ) -> int:
        """Merges a round of mini-epochs that began with the same weights, as one update (BSP).

        g becomes the mean of the pushed weights, weighted by their update factors, or takes a step
        of the outer optimiser by this mean. The slots are filled with the result.

        Args:
            slots: one for each mini-epoch of the round.
            workers: the indices of those that trained them.
            update_factors: of these workers.
            at: what an outer optimiser may depend on; None: only the mean is taken, and what the
                optimiser keeps is left as it is.

        Returns:
            The number of the last commit; every mini-epoch counts as one.

        Raises:
            ParameterServerLost: a parameter server was lost.
        """
        with self._lock, naming_lost_servers():
            round_ = (
                [slot.variables() for slot in slots],
                np.array(workers, np.int64),
                np.array(update_factors, np.float32),
                self._share(len(slots)),
            )
            if at is not None and self._merging.steps_in_rounds:
                merged = self._step_on_servers(*round_, self._numbers(1.0, 0, at))
            else:
                merged = self._average_on_servers(*round_)
            self._commit = int(merged)
            for slot in slots:
                slot.filled = self._commit
            return self._commit

    def forget(self, worker: int, attempt: int) -> None:
        """Lets a worker begin again whose push of an attempt will never be merged.

        Args:
            worker: its index.
            attempt: what it pulled as `unmerged`.

        Raises:
            ParameterServerLost: a parameter server was lost.
        """
        with self._lock, naming_lost_servers():
            # Has its result, and so is done.
            bool(self._forget_on_servers(np.int64(worker), np.int64(attempt)))

    def take_snapshot(self) -> int:
        """Copies the weights on the servers, for evaluation; returns their commit.

        They are the average over commits, if there is one, else the global weights.
        """
        with self._lock, naming_lost_servers():
            return int(self._snapshot_on_servers())

    def read_snapshot(self) -> list[np.ndarray]:
        """Returns the snapshot's weights in the model's order, float32, fetched in one call."""
        with naming_lost_servers():
            pieces = [piece.numpy() for piece in self._read(self._stored.snapshot)]
        return self._stored.packing.unpack_arrays(pieces)

    def replace_in_snapshot(self, values: Mapping[int, np.ndarray]) -> None:
        """Gives the snapshot other values of some weights, by their place in the model's order."""
        weights = self.read_snapshot()
        for place, value in values.items():
            weights[place] = value
        with naming_lost_servers():
            # Has its result, and so is done.
            int(self._write_on_servers(self._stored.packing.pack_arrays(weights)))

    def state(self) -> ModelState:
        """Returns the present state, all of one commit."""
        with self._lock, naming_lost_servers():
            commit, weights, optimizer_state, merge_state, average = tf.nest.map_structure(
                lambda value: value.numpy(), self._read_on_servers()
            )
        stored = self._stored
        return ModelState(
            int(commit),
            stored.packing.unpack_arrays(weights),
            stored.state_packing.unpack_arrays(optimizer_state),
            {
                name: stored.packing.part(0).unpack_arrays(pieces)
                for name, pieces in merge_state.items()
            },
            self._averaged.saved(int(commit), average) if self._averaged else [],
        )

    def _numbers(self, update_factor: float, staleness: int, at: AtCommit) -> Numbers:
        workers = at.workers or self._workers
        return self._merging.numbers(update_factor, staleness, self._commit + 1, workers, at)

    def _share(self, count: int) -> np.float32:
        """The share of the weights after the next `count` commits in their average."""
        return self._averaged.share(self._commit, count) if self._averaged else np.float32(1)

    def _fill(self, variables: Sequence[tf.Variable]) -> tf.Tensor:
        slot = self._stored.slot_of(variables)
        weights = [weight.read_value() for weight in self._stored.weights]
        return self._commit_after(self._refill(slot, weights))

    def _merge(
        self,
        variables: Sequence[tf.Variable],
        worker: tf.Tensor,
        numbers: Numbers,
        share: tf.Tensor,
    ) -> tf.Tensor:
        slot = self._stored.slot_of(variables)
        updated = self._merger.one(slot, numbers)
        merged = self._update(updated, share)
        merged += self._adopt_optimizer_state(slot.optimizer_state, worker)
        return self._count(merged + self._refill(slot, updated.weights), 1)

    def _average_round(
        self,
        variables: Sequence[Sequence[tf.Variable]],
        workers: tf.Tensor,
        update_factors: tf.Tensor,
        share: tf.Tensor,
    ) -> tf.Tensor:
        slots = [self._stored.slot_of(each) for each in variables]
        updated = self._merger.mean(slots, tf.unstack(update_factors, len(slots)))
        return self._end_round(slots, workers, updated, share)

    def _step_of_round(
        self,
        variables: Sequence[Sequence[tf.Variable]],
        workers: tf.Tensor,
        update_factors: tf.Tensor,
        share: tf.Tensor,
        numbers: Numbers,
    ) -> tf.Tensor:
        slots = [self._stored.slot_of(each) for each in variables]
        factors = tf.unstack(update_factors, len(slots))
        updated = self._merger.step_of_round(slots, factors, numbers)
        return self._end_round(slots, workers, updated, share)

    def _end_round(
        self, slots: Sequence[Slot], workers: tf.Tensor, updated: Updated, share: tf.Tensor
    ) -> tf.Tensor:
        merged = self._update(updated, share)
        adopted: list[tf.Operation] = []
        for slot, worker in zip(slots, tf.unstack(workers, len(slots))):
            # A worker that has trained the share of another too keeps the state of the latter.
            with tf.control_dependencies(adopted):
                adopted = self._adopt_optimizer_state(slot.optimizer_state, worker)
            merged += [*adopted, *self._refill(slot, updated.weights)]
        return self._count(merged, len(slots))

    def _update(self, updated: Updated, share: tf.Tensor) -> list[tf.Operation]:
        """Gives the weights, what the merge rule keeps beside them and their average new values."""
        assigned = [*zip(self._stored.weights, updated.weights)]
        for name, pieces in updated.merge_state.items():
            assigned += zip(self._stored.merge_state[name], pieces)
        operations = []
        for variable, value in assigned:
            with tf.device(variable.device):
                operations.append(variable.assign(value, read_value=False))
        if self._averaged:
            operations += self._averaged.update(updated.weights, share)
        return operations

    def _refill(self, slot: Slot, values: Sequence[tf.Tensor]) -> list[tf.Operation]:
        """Fills the slot with new weights, after they were computed from what was pushed there."""
        filled = []
        for variable, value in zip(slot.start, values):
            with tf.device(variable.device), tf.control_dependencies([value]):
                filled.append(variable.assign(value, read_value=False))
        with tf.device(slot.begun.device):
            filled.append(slot.begun.assign(0, read_value=False))
        return filled

    def _adopt_optimizer_state(
        self, pushed: Sequence[tf.Variable], worker: tf.Tensor
    ) -> list[tf.Operation]:
        adopted = []
        for state, mine in zip(self._stored.optimizer_state, pushed):
            with tf.device(state.device):
                adopted.append(
                    tf.raw_ops.ResourceScatterUpdate(
                        resource=state.handle,
                        indices=tf.reshape(worker, [1]),
                        updates=mine.read_value()[tf.newaxis],
                    )
                )
        if not self._stored.notes_unmerged:
            return []
        with tf.control_dependencies(adopted):
            return [self._nothing_unmerged(worker)]

    def _nothing_unmerged(self, worker: tf.Tensor) -> tf.Operation | tf.Tensor:
        with tf.device(self._stored.unmerged.device):
            none = tf.zeros([1], tf.int64)
            return self._stored.unmerged.scatter_nd_update(tf.reshape(worker, [1, 1]), none)

    def _forget(self, worker: tf.Tensor, attempt: tf.Tensor) -> tf.Tensor:
        def forget() -> tf.Tensor:
            with tf.control_dependencies([self._nothing_unmerged(worker)]):
                return tf.constant(True)

        # It may be merged, and the worker may have pushed another, since this was asked for.
        unmerged = self._stored.unmerged.sparse_read(worker)
        return _sent_back(tf.cond(unmerged == attempt, forget, lambda: tf.constant(False)))

    def _count(self, merged: Sequence[tf.Operation], count: int) -> tf.Tensor:
        """Adds `count` commits once `merged` is done; returns the number of the last one."""
        with tf.control_dependencies(merged), tf.device(self._stored.commit.device):
            counted = self._stored.commit.assign_add(count, read_value=False)
        return self._commit_after([counted])

    def _commit_after(self, done: Sequence[tf.Operation]) -> tf.Tensor:
        """Returns the number of the commit, once `done` is done."""
        with tf.control_dependencies(done), tf.device(self._stored.commit.device):
            commit = self._stored.commit.read_value()
        return _sent_back(commit)

    def _take_snapshot(self) -> tf.Tensor:
        copied = []
        weights = self._averaged.pieces if self._averaged else self._stored.weights
        for weight, copy in zip(weights, self._stored.snapshot):
            with tf.device(weight.device):
                copied.append(copy.assign(weight.read_value(), read_value=False))
        return self._commit_after(copied)

    def _write_snapshot(self, values: Sequence[tf.Tensor]) -> tf.Tensor:
        written = []
        for piece, value in zip(self._stored.snapshot, values):
            with tf.device(piece.device):
                written.append(piece.assign(value, read_value=False))
        return self._commit_after(written)

    def _read_state(self) -> Any:
        stored = self._stored
        average = self._averaged.pieces if self._averaged else []
        of_servers = (stored.weights, stored.optimizer_state, stored.merge_state, average)
        variables = (stored.commit, *of_servers)
        return tf.nest.map_structure(lambda variable: variable.read_value(), variables)


def _sent_back(result: tf.Tensor) -> tf.Tensor:
    """Copies a result from a server to the coordinator, inside a tf.function.

    So it comes with the answer to the call; fetching it later would take another one.
    """
    with tf.device(ON_CHIEF):
        return tf.identity(result)
