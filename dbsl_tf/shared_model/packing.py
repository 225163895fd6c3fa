"""Arrays joined end to end and cut into pieces of equal size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import numpy as np
import tensorflow as tf


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


class PartedPacking:
    """Packs as `Packing` does, but with arrays of different kinds in pieces of their own.

    Args:
        shapes: of all arrays, without leading dimensions.
        parts: the positions of the arrays of each kind, and how many pieces for them; every array
            is in one part. The pieces come in the order of the parts.

    Attributes:
        piece_counts: how many pieces each part has; none if it has no arrays.
    """

    def __init__(
        self, shapes: Sequence[Sequence[int]], parts: Sequence[tuple[Sequence[int], int]]
    ) -> None:
        self._order = [index for indices, _ in parts for index in indices]
        self._parts = [
            Packing([shapes[index] for index in indices], count) for indices, count in parts
        ]
        self._counts = [len(indices) for indices, _ in parts]
        self.piece_counts = [
            len(part.piece_sizes) if count else 0 for part, count in zip(self._parts, self._counts)
        ]

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

    def part(self, index: int) -> Packing:
        """Returns the packing of one part."""
        return self._parts[index]

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
            for part, count in zip(self._parts, self.piece_counts)
            for value in unpack(part, list(islice(rest, count)))
        ]
        return [ordered[self._order.index(index)] for index in range(len(ordered))]


class WeightPacking(PartedPacking):
    """Packs the weights of a model: all in the same pieces, or statistics in pieces of their own.

    Args:
        shapes: of the weights, in the model's order, those that are trained first.
        pieces: how many for the weights that are trained; as many by size for the statistics.
        trainable: how many weights are trained; None: they need not be told apart.
    """

    def __init__(
        self, shapes: Sequence[Sequence[int]], pieces: int, trainable: int | None = None
    ) -> None:
        count = len(shapes) if trainable is None else trainable
        trained, others = (
            sum(math.prod(shape) for shape in part) for part in (shapes[:count], shapes[count:])
        )
        indices = range(len(shapes))
        few = math.ceil(pieces * others / max(1, trained))
        super().__init__(shapes, [(indices[:count], pieces), (indices[count:], few)])


class StatePacking(PartedPacking):
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
        super().__init__(shapes, [(others, pieces), (scalars, 1)])
        self.exact = [False] * self.piece_counts[0] + [True] * self.piece_counts[1]


def _leading(value: tf.Tensor | np.ndarray, shape: Sequence[int]) -> Sequence[int]:
    """Returns the dimensions of `value` before those of `shape`."""
    return tuple(value.shape)[: len(value.shape) - len(shape)]
