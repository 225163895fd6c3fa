"""Many small values as the bytes of one tensor: a tensor costs a message, however small it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf


class ByteLayout:
    """Lays values of given types and shapes end to end, and takes them apart again, exactly.

    Args:
        types: of the values; numbers or truth values.
        shapes: of the values, all known.
    """

    def __init__(self, types: Sequence[np.dtype], shapes: Sequence[Sequence[int]]) -> None:
        self._types = [np.dtype(type_) for type_ in types]
        self._shapes = [tuple(shape) for shape in shapes]
        lengths = [t.itemsize * math.prod(s) for t, s in zip(self._types, self._shapes)]
        self._stops = np.cumsum(lengths, dtype=int).tolist()
        self._starts = [stop - length for stop, length in zip(self._stops, lengths)]

    def join_arrays(self, values: Sequence[Any]) -> np.ndarray:
        """The bytes of arrays or numpy scalars, uint8 [bytes]."""
        joined = b"".join(np.asarray(value).tobytes() for value in values)
        return np.frombuffer(joined, np.uint8)

    def part_arrays(self, joined: np.ndarray) -> list[Any]:
        """The arrays, numpy scalars where they have no dimension, of bytes, uint8 [bytes]."""
        return [
            np.frombuffer(joined[start:stop].tobytes(), type_).reshape(shape)[()]
            for type_, shape, start, stop in self._places()
        ]

    def join(self, values: Sequence[tf.Tensor]) -> tf.Tensor:
        """In a graph: the bytes of tensors, uint8 [bytes]."""
        return tf.concat([tf.reshape(_as_bytes(value), [-1]) for value in values], 0)

    def part(self, joined: tf.Tensor) -> list[tf.Tensor]:
        """In a graph: the tensors of bytes, uint8 [bytes]."""
        return [
            _from_bytes(joined[start:stop], type_, shape)
            for type_, shape, start, stop in self._places()
        ]

    def _places(self) -> zip[tuple[np.dtype, tuple[int, ...], int, int]]:
        return zip(self._types, self._shapes, self._starts, self._stops)


def _as_bytes(value: tf.Tensor) -> tf.Tensor:
    if value.dtype == tf.bool:
        return tf.cast(value, tf.uint8)
    return tf.bitcast(value, tf.uint8)


def _from_bytes(joined: tf.Tensor, type_: np.dtype, shape: Sequence[int]) -> tf.Tensor:
    if type_ == np.bool_:
        return tf.cast(tf.reshape(joined, shape), tf.bool)
    # What is wider than a byte has its bytes as a last dimension.
    width = [type_.itemsize] if type_.itemsize > 1 else []
    return tf.bitcast(tf.reshape(joined, [*shape, *width]), tf.as_dtype(type_))
