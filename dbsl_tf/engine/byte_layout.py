"""Many small values as the bytes of one tensor: each tensor costs a message, however small."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf


class ByteLayout:
    """Joins values of given types and shapes end to end, and splits them again, bit for bit.

    Args:
        types: of the values; numbers or booleans.
        shapes: of the values, fully known.
    """

    def __init__(self, types: Sequence[np.dtype], shapes: Sequence[Sequence[int]]) -> None:
        self._types = [np.dtype(type_) for type_ in types]
        self._shapes = [tuple(shape) for shape in shapes]
        lengths = [t.itemsize * math.prod(s) for t, s in zip(self._types, self._shapes)]
        self._stops = np.cumsum(lengths, dtype=int).tolist()
        self._starts = [stop - length for stop, length in zip(self._stops, lengths)]

    def join_arrays(self, values: Sequence[Any]) -> np.ndarray:
        """Returns the bytes of arrays or numpy scalars, uint8 [bytes]."""
        joined = b"".join(np.asarray(value).tobytes() for value in values)
        return np.frombuffer(joined, np.uint8)

    def split_arrays(self, joined: np.ndarray) -> list[Any]:
        """Returns the arrays in `joined`, uint8 [bytes]; numpy scalars where the shape is ()."""
        return [
            np.frombuffer(joined[start:stop].tobytes(), type_).reshape(shape)[()]
            for type_, shape, start, stop in self._entries()
        ]

    def join(self, values: Sequence[tf.Tensor]) -> tf.Tensor:
        """Returns the bytes of tensors, uint8 [bytes]; in a graph."""
        return tf.concat([tf.reshape(_as_bytes(value), [-1]) for value in values], 0)

    def split(self, joined: tf.Tensor) -> list[tf.Tensor]:
        """Returns the tensors in `joined`, uint8 [bytes]; in a graph."""
        return [
            _from_bytes(joined[start:stop], type_, shape)
            for type_, shape, start, stop in self._entries()
        ]

    def _entries(self) -> zip[tuple[np.dtype, tuple[int, ...], int, int]]:
        return zip(self._types, self._shapes, self._starts, self._stops)


def _as_bytes(value: tf.Tensor) -> tf.Tensor:
    if value.dtype == tf.bool:
        return tf.cast(value, tf.uint8)
    return tf.bitcast(value, tf.uint8)


def _from_bytes(joined: tf.Tensor, type_: np.dtype, shape: Sequence[int]) -> tf.Tensor:
    if type_ == np.bool_:
        return tf.cast(tf.reshape(joined, shape), tf.bool)
    # A type wider than a byte has its bytes as the last dimension.
    width = [type_.itemsize] if type_.itemsize > 1 else []
    return tf.bitcast(tf.reshape(joined, [*shape, *width]), tf.as_dtype(type_))
