"""A worker's side of the shared model: what its closures pull from and push to the servers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import tensorflow as tf

from dbsl_tf.shared_model.stored_model import Slot, StoredModel


@dataclass(frozen=True)
class Pulled:
    """What a worker begins a mini-epoch with; tensors in a closure.

    Attributes:
        first: whether nobody has begun with the slot before, bool scalar. Else the worker that has
            may have been lost only to the coordinator, and may push into the slot at any time.
        unmerged: the attempt of this worker that is not merged yet, so that `optimizer_state` may
            be old, int64 scalar; 0: none, or nothing depends on it.
        pieces: the weights as they were sent, [size] each, float32.
        weights: in the model's order.
        optimizer_state: of the worker; empty if it is not kept.
    """

    first: tf.Tensor
    unmerged: tf.Tensor
    pieces: list[tf.Tensor]
    weights: list[tf.Tensor]
    optimizer_state: list[tf.Tensor]


class Exchange:
    """Pulls and pushes, in closures.

    Values are sent in the transfer type of the stored model, scalars of the optimiser state in
    float32. If the transfer type is less precise, a push sends the difference from the weights that
    were pulled, and the server adds it to them.

    Args:
        stored: what the servers hold.
    """

    def __init__(self, stored: StoredModel) -> None:
        self._stored = stored

    def pull(self, variables: Sequence[tf.Variable], worker: tf.Tensor) -> Pulled:
        """Returns what the slot was filled with, all of one commit.

        Nothing is locked, so a worker that hangs during a pull holds nobody up.

        Args:
            variables: of the slot, as `Slot.variables` lists them.
            worker: its index, int64 scalar.
        """
        stored = self._stored
        slot = stored.slot_of(variables)
        sent = [
            self._on_server(piece.read_value, weight.device, stored.transfer_dtype)
            for piece, weight in zip(slot.start, stored.weights)
        ]
        unmerged = self._unmerged(worker)
        # Only the merge of a mini-epoch of this worker changes its state.
        with tf.control_dependencies([unmerged]):
            optimizer_state = [
                tf.cast(
                    self._on_server(partial(piece.sparse_read, worker), piece.device, dtype),
                    tf.float32,
                )
                for piece, dtype in zip(stored.optimizer_state, stored.sent_as[len(sent) :])
            ]
        pieces = [tf.cast(piece, tf.float32) for piece in sent]
        return Pulled(
            self._begin(slot),
            unmerged,
            pieces,
            stored.packing.unpack(pieces),
            stored.state_packing.unpack(optimizer_state),
        )

    def pull_weights(self, variables: Sequence[tf.Variable]) -> list[tf.Tensor]:
        """Returns the weights that a slot was filled with, in the model's order, float32.

        Args:
            variables: of the slot, as `Slot.variables` lists them; nobody pushes into it.
        """
        slot = self._stored.slot_of(variables)
        return self._stored.packing.unpack([piece.read_value() for piece in slot.start])

    def pull_snapshot(self) -> list[tf.Tensor]:
        """Returns the weights of the snapshot, in the model's order, float32."""
        return self._stored.packing.unpack([piece.read_value() for piece in self._stored.snapshot])

    def pack(
        self, pulled: Pulled, weights: Sequence[tf.Tensor], optimizer_state: Sequence[tf.Tensor]
    ) -> list[tf.Tensor]:
        """Returns the pieces to push after a mini-epoch, [size] each.

        Args:
            pulled: what it began with.
            weights: its result, in the model's order.
            optimizer_state: left out if it is not kept.
        """
        pieces = self._stored.packing.pack(weights)
        if self._stored.sends_differences:
            pieces = [piece - before for piece, before in zip(pieces, pulled.pieces)]
        kept = optimizer_state if self._stored.optimizer_state else ()
        return pieces + (self._stored.state_packing.pack(kept) if kept else [])

    def push(
        self,
        variables: Sequence[tf.Variable],
        pieces: Sequence[tf.Tensor],
        worker: tf.Tensor,
        attempt: tf.Tensor,
    ) -> tf.Operation:
        """Writes pieces into the slot.

        Args:
            variables: of the slot, as `Slot.variables` lists them.
            pieces: from `pack`.
            worker: its index, int64 scalar.
            attempt: `Slot.attempt`, int64 scalar.

        Returns:
            The operation that ends when all have arrived.
        """
        written = self._write(variables, pieces, range(len(pieces)))
        return tf.group(written, *self._mark_unmerged(worker, attempt))

    def _mark_unmerged(self, worker: tf.Tensor, attempt: tf.Tensor) -> list[tf.Tensor]:
        if not self._stored.notes_unmerged:
            return []
        with tf.device(self._stored.unmerged.device):
            return [self._stored.unmerged.scatter_nd_update([[worker]], [attempt])]

    def _unmerged(self, worker: tf.Tensor) -> tf.Tensor:
        if not self._stored.notes_unmerged:
            return tf.constant(0, tf.int64)
        with tf.device(self._stored.unmerged.device):
            return self._stored.unmerged.sparse_read(worker)

    def _write(
        self, variables: Sequence[tf.Variable], pieces: Sequence[tf.Tensor], indices: Iterable[int]
    ) -> tf.Operation:
        """Pushes the pieces with these indices."""
        stored = self._stored
        slot = stored.slot_of(variables)
        devices = [variable.device for variable in [*stored.weights, *stored.optimizer_state]]
        pushed: dict[str, list[tf.Operation]] = {}
        for index in indices:
            device = devices[index]
            before = pushed.setdefault(device, [])
            # One after another: a server keeps what arrives in memory until it is written.
            with tf.control_dependencies(before[-1:]):
                piece = tf.identity(pieces[index])
            value = self._to_server(piece, device, stored.sent_as[index])
            with tf.device(device):
                if stored.sends_differences and index < len(slot.weights):
                    value = slot.pulled[index].read_value() + value
                before.append(variables[index].assign(value, read_value=False))
        return tf.group(*sum(pushed.values(), []))

    def _begin(self, slot: Slot) -> tf.Tensor:
        # If two begin at once, both may read 2, and neither is the first.
        with tf.device(slot.begun.device):
            return slot.begun.assign_add(1).read_value() == 1

    def _on_server(self, read: Callable[[], tf.Tensor], device: str, dtype: tf.DType) -> tf.Tensor:
        # Rounded on the server, and sent in that type.
        with tf.device(device):
            return tf.cast(read(), dtype)

    def _to_server(self, value: tf.Tensor, device: str, dtype: tf.DType) -> tf.Tensor:
        sent = tf.cast(value, dtype)
        with tf.device(device):
            return tf.cast(sent, tf.float32)
