"""What the parameter servers store: the global weights, and a slot for each pushed model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import tensorflow as tf

from dbsl_tf.engine.engine import Engine

# At least two, so that tests can interrupt a push in the middle even with one server.
_FEWEST_PIECES = 2
# While a piece arrives or is merged, a server needs memory for it in addition to the model.
_PIECE_BYTES = 4_000_000


class Packing:
    """Joins arrays end to end and cuts them into pieces of equal size, to within one element.

    A model has many small weights, for which sending and merging costs more per weight than per
    element. Pieces of equal size load servers evenly, however large the largest weight is.

    Arrays and pieces may have leading dimensions, the same for all. All have one type and static
    shapes.

    Args:
        shapes: of the arrays, in their order, without leading dimensions.
        pieces: their number; fewer if there are fewer elements.

    Attributes:
        piece_sizes: number of elements in each piece.
    """

    def __init__(self, shapes: Sequence[Sequence[int]], pieces: int) -> None:
        self._shapes = [tuple(shape) for shape in shapes]
        self._sizes = [math.prod(shape) for shape in self._shapes]
        total = sum(self._sizes)
        count = max(1, min(pieces, total))
        self.piece_sizes = [total // count + (index < total % count) for index in range(count)]

    def pack(self, values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Returns the pieces [..., size] of tensors [..., *shape]."""
        if not self._shapes:
            return []
        flat = [tf.reshape(v, [*_leading(v, s), -1]) for v, s in zip(values, self._shapes)]
        return tf.split(tf.concat(flat, -1), self.piece_sizes, axis=-1)

    def unpack(self, pieces: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Returns the tensors [..., *shape] in pieces [..., size]."""
        if not self._shapes:
            return []
        parts = tf.split(tf.concat(pieces, -1), self._sizes, axis=-1)
        return [tf.reshape(p, [*p.shape[:-1], *s]) for p, s in zip(parts, self._shapes)]

    def pack_arrays(self, values: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Does the same as `pack`, for arrays."""
        if not self._shapes:
            return []
        flat = [np.reshape(v, [*_leading(v, s), -1]) for v, s in zip(values, self._shapes)]
        return np.split(np.concatenate(flat, -1), np.cumsum(self.piece_sizes)[:-1], axis=-1)

    def unpack_arrays(self, pieces: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Does the same as `unpack`, for arrays."""
        if not self._shapes:
            return []
        parts = np.split(np.concatenate(pieces, -1), np.cumsum(self._sizes)[:-1], axis=-1)
        return [p.reshape([*p.shape[:-1], *s]) for p, s in zip(parts, self._shapes)]


def _leading(value: tf.Tensor | np.ndarray, shape: Sequence[int]) -> Sequence[int]:
    """Returns the dimensions of `value` before those of `shape`."""
    return tuple(value.shape)[: len(value.shape) - len(shape)]


@dataclass
class Slot:
    """The variables that one mini-epoch begins with and is pushed into; pass them to its closure.

    Attributes:
        weights: in pieces (see `Packing`).
        velocity: of the optimiser, in pieces; empty if it is not kept.
        pulled: the initial weights, in pieces, if a push sends the difference from them; else
            empty, and `weights` holds them.
        pushed: for each server, whether a push has begun to overwrite the initial weights, bool
            scalars; empty if that never happens.
        filled: the commit whose weights the slot holds; None: not known.
    """

    weights: list[tf.Variable]
    velocity: list[tf.Variable]
    pulled: list[tf.Variable]
    pushed: list[tf.Variable]
    filled: int | None = None

    def variables(self) -> list[tf.Variable]:
        """Returns all of them in one list, as closures get them, in the order of `Attributes`."""
        return [*self.weights, *self.velocity, *self.pulled, *self.pushed]

    @property
    def start(self) -> list[tf.Variable]:
        """The weights that a mini-epoch begins with, in pieces."""
        return self.pulled or self.weights


@dataclass(frozen=True)
class ModelState:
    """All state of a run on the parameter servers, as float32 arrays.

    Attributes:
        commit: number of the commit that the weights belong to.
        weights: in the model's order.
        velocity: of every worker's optimiser, [workers, ...] for each trainable weight; empty
            if it is not kept.
    """

    commit: int
    weights: list[np.ndarray]
    velocity: list[np.ndarray]


class StoredModel:
    """The variables on the servers, in pieces (see `Packing`) that are spread evenly over them.

    Args:
        engine: the connected cluster.
        state: their initial values; the velocity is kept if it has one.
        transfer_dtype: type in which pieces are sent; the variables are always float32.

    Attributes:
        packing: of the weights.
        velocity_packing: of the velocity of a worker.
        commit: number of the commit that the weights belong to.
        weights: the global weights, g.
        velocity: [workers, piece] each; empty if it is not kept.
        snapshot: a copy of the weights.
        servers: the devices that hold weights.
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
        """Whether a push sends the difference from the pulled weights, not the weights.

        Weights rounded to a less precise type would lose small differences altogether.
        """
        return self.transfer_dtype != tf.float32

    def new_slot(self) -> Slot:
        """Returns variables for one mini-epoch in flight.

        They take one model copy on the parameter servers, two if differences are sent.
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
        """Returns the slot with these `variables()`, inside a tf.function that got them."""
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
    """Returns zeros of these shapes as variables, each on the server of its counterpart."""
    created = []
    for variable, shape in zip(variables, shapes):
        with tf.device(variable.device):
            created.append(tf.Variable(tf.zeros(shape, variable.dtype), trainable=False))
    return created
