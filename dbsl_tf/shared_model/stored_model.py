"""What the parameter servers hold: the global weights, and a slot for each pushed model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import tensorflow as tf

from dbsl_tf.engine.engine import Engine

# Two, so that a push can break off in its middle with one server too, as tests have it do.
_FEWEST_PIECES = 2
# A server holds a piece in its memory beside the model while it arrives or is merged.
_PIECE_BYTES = 4_000_000


class Packing:
    """Lays arrays end to end and cuts that into pieces of equal size, to within one element.

    A model has many small weights, and to send or merge one costs more than its elements do.
    Pieces of equal size share servers evenly, however large the largest weight is.

    Arrays and pieces may have leading dimensions, the same for all. All have one type and static
    shapes.

    Args:
        shapes: of the arrays, in their order, without leading dimensions.
        pieces: how many; fewer where there are not so many elements.

    Attributes:
        piece_sizes: elements of each piece.
    """

    def __init__(self, shapes: Sequence[Sequence[int]], pieces: int) -> None:
        self._shapes = [tuple(shape) for shape in shapes]
        self._sizes = [math.prod(shape) for shape in self._shapes]
        total = sum(self._sizes)
        count = max(1, min(pieces, total))
        self.piece_sizes = [total // count + (place < total % count) for place in range(count)]

    def pack(self, values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The pieces [..., size] of tensors [..., *shape]."""
        if not self._shapes:
            return []
        flat = [tf.reshape(v, [*_leading(v, s), -1]) for v, s in zip(values, self._shapes)]
        return tf.split(tf.concat(flat, -1), self.piece_sizes, axis=-1)

    def unpack(self, pieces: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The tensors [..., *shape] of pieces [..., size]."""
        if not self._shapes:
            return []
        parts = tf.split(tf.concat(pieces, -1), self._sizes, axis=-1)
        return [tf.reshape(p, [*p.shape[:-1], *s]) for p, s in zip(parts, self._shapes)]

    def pack_arrays(self, values: Sequence[np.ndarray]) -> list[np.ndarray]:
        """`pack` for arrays."""
        if not self._shapes:
            return []
        flat = [np.reshape(v, [*_leading(v, s), -1]) for v, s in zip(values, self._shapes)]
        return np.split(np.concatenate(flat, -1), np.cumsum(self.piece_sizes)[:-1], axis=-1)

    def unpack_arrays(self, pieces: Sequence[np.ndarray]) -> list[np.ndarray]:
        """`unpack` for arrays."""
        if not self._shapes:
            return []
        parts = np.split(np.concatenate(pieces, -1), np.cumsum(self._sizes)[:-1], axis=-1)
        return [p.reshape([*p.shape[:-1], *s]) for p, s in zip(parts, self._shapes)]


def _leading(value: tf.Tensor | np.ndarray, shape: Sequence[int]) -> Sequence[int]:
    """The dimensions of `value` before those of `shape`."""
    return tuple(value.shape)[: len(value.shape) - len(shape)]


@dataclass
class Slot:
    """The variables that one mini-epoch begins with and is pushed into; pass them to its closure.

    Attributes:
        weights: in pieces (see `Packing`).
        velocity: of the optimiser, in pieces; empty where it is not kept.
        pulled: the weights to begin with, in pieces, where a push sends what was added to them;
            else empty, and it begins with `weights`.
        pushed: on each server, whether a push has begun to overwrite the weights to begin with,
            bool scalars; empty where that never happens.
        filled: the commit whose weights it has; None: they are not known to be those of any.
    """

    weights: list[tf.Variable]
    velocity: list[tf.Variable]
    pulled: list[tf.Variable]
    pushed: list[tf.Variable]
    filled: int | None = None

    def variables(self) -> list[tf.Variable]:
        """All of them in one list, as closures get them: weights, velocity, pulled, pushed."""
        return [*self.weights, *self.velocity, *self.pulled, *self.pushed]

    @property
    def start(self) -> list[tf.Variable]:
        """The weights that a mini-epoch begins with."""
        return self.pulled or self.weights


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


class StoredModel:
    """The variables on the servers, in pieces (see `Packing`) that are spread evenly over them.

    Args:
        engine: the connected cluster.
        state: what they begin with; it says by its velocity whether that is kept.
        transfer_dtype: type in which pieces are sent; the variables are float32 with any.

    Attributes:
        packing: how weights become pieces.
        velocity_packing: how the velocity of a worker does.
        commit: number of the commit that the weights belong to.
        weights: the global ones, g.
        velocity: [workers, piece] each; empty where it is not kept.
        snapshot: a copy of the weights.
        servers: devices that hold weights.
        transfer_dtype: as given.
    """

    def __init__(self, engine: Engine, state: ModelState, transfer_dtype: tf.DType) -> None:
        size = sum(weight.nbytes for weight in state.weights) / engine.parameter_servers
        pieces = engine.parameter_servers * max(_FEWEST_PIECES, math.ceil(size / _PIECE_BYTES))
        self.transfer_dtype = transfer_dtype
        self.packing = Packing([w.shape for w in state.weights], pieces)
        self.velocity_packing = Packing([v.shape[1:] for v in state.velocity], pieces)
        self.commit = engine.variables([np.int64(state.commit)])[0]
        self.weights = engine.variables(self.packing.pack_arrays(state.weights))
        self.velocity = engine.variables(self.velocity_packing.pack_arrays(state.velocity))
        self.snapshot = self._zeros_like_weights()
        self.servers = list(dict.fromkeys(weight.device for weight in self.weights))

    @property
    def sends_differences(self) -> bool:
        """Whether a push sends what was added to the pulled weights, not the weights.

        Rounded to a type of few digits, the weights would lose a small difference altogether.
        """
        return self.transfer_dtype != tf.float32

    def new_slot(self) -> Slot:
        """Variables for one mini-epoch in flight.

        They are a model copy on the parameter servers, two where differences are sent.
        """
        pushed = []
        if not self.sends_differences:
            for server in self.servers:
                with tf.device(server):
                    pushed.append(tf.Variable(False, trainable=False))
        return Slot(
            self._zeros_like_weights(),
            _zeros_beside(self.velocity, [v.shape[1:] for v in self.velocity]),
            self._zeros_like_weights() if self.sends_differences else [],
            pushed,
        )

    def slot_of(self, variables: Sequence[tf.Variable]) -> Slot:
        """In a function: the slot whose `variables()` it got."""
        rest = iter(variables)
        weights = list(islice(rest, len(self.weights)))
        velocity = list(islice(rest, len(self.velocity)))
        pulled = list(islice(rest, len(weights) if self.sends_differences else 0))
        return Slot(weights, velocity, pulled, list(rest))

    def _zeros_like_weights(self) -> list[tf.Variable]:
        return _zeros_beside(self.weights, [w.shape for w in self.weights])


def _zeros_beside(
    variables: Sequence[tf.Variable], shapes: Sequence[tf.TensorShape]
) -> list[tf.Variable]:
    """New variables of these shapes, each on the server of its counterpart."""
    created = []
    for variable, shape in zip(variables, shapes):
        with tf.device(variable.device):
            created.append(tf.Variable(tf.zeros(shape, variable.dtype), trainable=False))
    return created
