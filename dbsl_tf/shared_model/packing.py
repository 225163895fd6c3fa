"""Many arrays as few pieces of equal size, as they are kept on the servers and sent."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf


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
