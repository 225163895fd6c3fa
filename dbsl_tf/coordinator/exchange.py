"""A worker's side of the shared model: what its closures pull from the servers and push there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import tensorflow as tf

from dbsl_tf.coordinator.stored_model import StoredModel


@dataclass(frozen=True)
class Pulled:
    """In a closure: what a worker begins a mini-epoch with.

    Attributes:
        commit: number of the commit that the weights belong to, int64 scalar.
        pieces: the weights as they came.
        weights: in the model's order.
        velocity: of the worker's optimiser; empty where it is not kept.
    """

    commit: tf.Tensor
    pieces: list[tf.Tensor]
    weights: list[tf.Tensor]
    velocity: list[tf.Tensor]


class Exchange:
    """Pulls and pushes, in closures.

    What is sent has the transfer type of the stored model; with one of few digits, a push sends
    the difference to what was pulled, and the server adds it to the weights it still has.

    Args:
        stored: what the servers hold.
    """

    def __init__(self, stored: StoredModel) -> None:
        self._stored = stored

    def pull(self, slot: Sequence[tf.Variable], worker: tf.Tensor) -> Pulled:
        """What `worker` (int64 scalar) begins with, all of one commit.

        The weights are copied to the slot on the servers first, and then sent.
        """
        stored = self._stored
        own = self._pulled(slot) if stored.sends_differences else self._weights(slot)
        commit = stored.copy_weights(own)
        with tf.control_dependencies([commit]):
            pieces = [self._from_server(piece.read_value, piece.device) for piece in own]
        # Only the merge of a mini-epoch of this worker changes its velocity.
        velocity = [
            self._from_server(lambda piece=piece: piece.sparse_read(worker), piece.device)
            for piece in stored.velocity
        ]
        return Pulled(
            commit,
            pieces,
            stored.packing.unpack(pieces),
            stored.velocity_packing.unpack(velocity),
        )

    def pull_snapshot(self) -> list[tf.Tensor]:
        """The weights of the snapshot, in the model's order and in full."""
        return self._stored.packing.unpack([piece.read_value() for piece in self._stored.snapshot])

    def pack(
        self, pulled: Pulled, weights: Sequence[tf.Tensor], velocity: Sequence[tf.Tensor]
    ) -> list[tf.Tensor]:
        """What to push after a mini-epoch.

        Args:
            pulled: what it began with.
            weights: what it arrived at, in the model's order.
            velocity: of the optimiser; not sent where it is not kept.
        """
        pieces = self._stored.packing.pack(weights)
        if self._stored.sends_differences:
            pieces = [piece - before for piece, before in zip(pieces, pulled.pieces)]
        kept = velocity if self._stored.velocity else ()
        return pieces + (self._stored.velocity_packing.pack(kept) if kept else [])

    def push(
        self, slot: Sequence[tf.Variable], pieces: Sequence[tf.Tensor], places: Iterable[int]
    ) -> tf.Operation:
        """Write the pieces at `places` of what `pack` made into the slot."""
        pushed = []
        for place in places:
            variable, value = slot[place], self._to_server(pieces[place], slot[place].device)
            if self._stored.sends_differences and place < len(self._stored.weights):
                with tf.device(variable.device):
                    value = self._pulled(slot)[place].read_value() + value
            pushed.append(variable.assign(value, read_value=False))
        return tf.group(*pushed)

    def _weights(self, slot: Sequence[tf.Variable]) -> Sequence[tf.Variable]:
        return slot[: len(self._stored.weights)]

    def _pulled(self, slot: Sequence[tf.Variable]) -> Sequence[tf.Variable]:
        return slot[len(self._stored.weights) + len(self._stored.velocity) :]

    def _from_server(self, read, device: str) -> tf.Tensor:
        with tf.device(device):
            sent = tf.cast(read(), self._stored.transfer_dtype)
        return tf.cast(sent, tf.float32)

    def _to_server(self, value: tf.Tensor, device: str) -> tf.Tensor:
        sent = tf.cast(value, self._stored.transfer_dtype)
        with tf.device(device):
            return tf.cast(sent, tf.float32)
