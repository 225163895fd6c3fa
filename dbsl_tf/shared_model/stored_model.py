"""What the parameter servers store: the global weights, and a slot for each pushed model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

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


class StatePacking:
    """Packs the state of an optimiser: as `Packing`, but with scalars in a piece of their own.

    Scalars, such as counts of steps, are few, and rounding them would make them wrong.

    Args:
        shapes: of the state of one worker.
        pieces: how many for everything but scalars.

    Attributes:
        exact: for each piece, whether it must be sent in float32 with any transfer type.
    """

    def __init__(self, shapes: Sequence[Sequence[int]], pieces: int) -> None:
        scalars = [index for index, shape in enumerate(shapes) if not shape]
        others = [index for index, shape in enumerate(shapes) if shape]
        self._order = [*others, *scalars]
        self._parts = [
            Packing([shapes[index] for index in indices], count)
            for indices, count in ((others, pieces), (scalars, 1))
        ]
        self._counts = [len(others), len(scalars)]
        self._piece_counts = [
            len(part.piece_sizes) if count else 0 for part, count in zip(self._parts, self._counts)
        ]
        self.exact = [False] * self._piece_counts[0] + [True] * self._piece_counts[1]

    def pack(self, values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Returns the pieces [..., size] of tensors [..., *shape]."""
        return self._packed(values, Packing.pack)

    def unpack(self, pieces: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Returns the tensors [..., *shape] of pieces [..., size]."""
        return self._unpacked(pieces, Packing.unpack)

    def pack_arrays(self, values: Sequence[np.ndarray]) -> list[np.ndarray]:
        """`pack` for arrays."""
        return self._packed(values, Packing.pack_arrays)

    def unpack_arrays(self, pieces: Sequence[np.ndarray]) -> list[np.ndarray]:
        """`unpack` for arrays."""
        return self._unpacked(pieces, Packing.unpack_arrays)

    def _packed(self, values: Sequence[Any], pack: Callable[..., list[Any]]) -> list[Any]:
        ordered = iter([values[index] for index in self._order])
        return [
            piece
            for part, count in zip(self._parts, self._counts)
            for piece in pack(part, list(islice(ordered, count)))
        ]

    def _unpacked(self, pieces: Sequence[Any], unpack: Callable[..., list[Any]]) -> list[Any]:
        rest = iter(pieces)
        ordered = [
            value
            for part, count in zip(self._parts, self._piece_counts)
            for value in unpack(part, list(islice(rest, count)))
        ]
        return [ordered[self._order.index(index)] for index in range(len(ordered))]


def _leading(value: tf.Tensor | np.ndarray, shape: Sequence[int]) -> Sequence[int]:
    """Returns the dimensions of `value` before those of `shape`."""
    return tuple(value.shape)[: len(value.shape) - len(shape)]


@dataclass
class Slot:
    """The variables that one mini-epoch begins with and is pushed into; pass them to its closure.

    Attributes:
        weights: in pieces (see `Packing`).
        optimizer_state: in pieces; empty if it is not kept.
        pulled: the initial weights, in pieces, if a push sends the difference from them; else
            empty, and `weights` holds them.
        begun: how many workers have begun with it since it was filled, int64 scalar.
        filled: the commit whose weights the slot holds; None: not known.
        attempt: number of the attempt at a mini-epoch that uses the slot; 0: none does.
    """

    weights: list[tf.Variable]
    optimizer_state: list[tf.Variable]
    pulled: list[tf.Variable]
    begun: tf.Variable
    filled: int | None = None
    attempt: int = 0

    def variables(self) -> list[tf.Variable]:
        """Returns all of them in one list, as closures get them, in the order of `Attributes`."""
        return [*self.weights, *self.optimizer_state, *self.pulled, self.begun]

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
        optimizer_state: of every worker, [workers, ...] each; empty if it is not kept.
    """

    commit: int
    weights: list[np.ndarray]
    optimizer_state: list[np.ndarray]


class StoredModel:
    """The variables on the servers, in pieces (see `Packing`) that are spread evenly over them.

    Args:
        engine: the connected cluster.
        state: their initial values; an optimiser state is kept if it has one.
        transfer_dtype: type in which pieces are sent, but for scalars of the optimiser state;
            the variables are always float32.
        in_rounds: whether there are rounds, in which each worker has one mini-epoch.

    Attributes:
        packing: of the weights.
        state_packing: of the optimiser state of a worker.
        commit: number of the commit that the weights belong to.
        weights: the global weights, g.
        optimizer_state: [workers, piece] each; empty if it is not kept.
        unmerged: for each worker, the attempt that it has pushed and that is not merged yet, int64
            [workers]; 0: none.
        notes_unmerged: whether `unmerged` is kept up: only if a state is kept, or in rounds.
        snapshot: a copy of the weights.
        transfer_dtype: as given.
        sent_as: the type in which each piece is sent: of the weights, then of the optimiser state.
    """

    def __init__(
        self, engine: Engine, state: ModelState, transfer_dtype: tf.DType, in_rounds: bool = False
    ) -> None:
        def pieces(nbytes: float) -> int:
            each = math.ceil(nbytes / engine.parameter_servers / _PIECE_BYTES)
            return engine.parameter_servers * max(_FEWEST_PIECES, each)

        weight_bytes = sum(weight.nbytes for weight in state.weights)
        state_bytes = sum(array.nbytes for array in state.optimizer_state) / engine.workers
        self.transfer_dtype = transfer_dtype
        self.packing = Packing([w.shape for w in state.weights], pieces(weight_bytes))
        self.state_packing = StatePacking(
            [array.shape[1:] for array in state.optimizer_state], pieces(state_bytes)
        )
        self.commit = engine.variables([np.int64(state.commit)])[0]
        self.weights = engine.variables(self.packing.pack_arrays(state.weights))
        self.optimizer_state = engine.variables(
            self.state_packing.pack_arrays(state.optimizer_state)
        )
        self.unmerged = engine.variables([np.zeros(engine.workers, np.int64)])[0]
        self.notes_unmerged = in_rounds or bool(state.optimizer_state)
        self.sent_as = [transfer_dtype] * len(self.weights) + [
            tf.float32 if exact else transfer_dtype for exact in self.state_packing.exact
        ]
        self.snapshot = self._zeros_like_weights()

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
        return Slot(
            self._zeros_like_weights(),
            _zeros_beside(self.optimizer_state, [v.shape[1:] for v in self.optimizer_state]),
            self._zeros_like_weights() if self.sends_differences else [],
            *_zeros_beside([self.commit], [()]),
        )

    def slot_of(self, variables: Sequence[tf.Variable]) -> Slot:
        """Returns the slot with these `variables()`, inside a tf.function that got them."""
        rest = iter(variables)
        weights = list(islice(rest, len(self.weights)))
        optimizer_state = list(islice(rest, len(self.optimizer_state)))
        pulled = list(islice(rest, len(weights) if self.sends_differences else 0))
        return Slot(weights, optimizer_state, pulled, *rest)

    def _zeros_like_weights(self) -> list[tf.Variable]:
        return _zeros_beside(self.weights, [w.shape for w in self.weights])


def _zeros_beside(
    variables: Sequence[tf.Variable], shapes: Sequence[tf.TensorShape | tuple[()]]
) -> list[tf.Variable]:
    """Returns zeros of these shapes as variables, each on the server of its counterpart."""
    created = []
    for variable, shape in zip(variables, shapes):
        with tf.device(variable.device):
            created.append(tf.Variable(tf.zeros(shape, variable.dtype), trainable=False))
    return created
