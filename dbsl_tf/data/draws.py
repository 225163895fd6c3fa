"""Random numbers for augmentation, from a seed and without a variable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf


class SeededDraws:
    """Replaces the `tf.random.Generator` of keras-cv's layers; its state is an argument.

    The state of a real generator is a variable. On a cluster that variable lives on one machine,
    so every draw of every worker would cross the network, and batches made at the same time would
    draw in no fixed order. Here the draws made inside `seeded` are numbered as they are traced,
    and each depends only on the seed and its number.
    """

    def __init__(self) -> None:
        self._seed: tf.Tensor | None = None
        self._drawn = 0

    @contextmanager
    def seeded(self, seed: tf.Tensor) -> Iterator[None]:
        """Makes draws in its body follow `seed`, int64 [2], which must differ from batch to batch.

        Seeds whose second elements differ by less than the number of draws share draws, so take
        seeds from `stateless_seeds`. May be nested; afterwards the previous seed applies again.
        """
        before = self._seed, self._drawn
        self._seed, self._drawn = seed, 0
        try:
            yield
        finally:
            self._seed, self._drawn = before

    def uniform(
        self,
        shape: tf.Tensor | tuple,
        minval: float | tf.Tensor = 0,
        maxval: float | tf.Tensor | None = None,
        dtype: tf.DType | str = tf.float32,
    ) -> tf.Tensor:
        """Draws like `tf.random.Generator.uniform`."""
        return tf.random.stateless_uniform(shape, self._next(), minval, maxval, dtype)

    def normal(
        self,
        shape: tf.Tensor | tuple,
        mean: float = 0.0,
        stddev: float = 1.0,
        dtype: tf.DType | str = tf.float32,
    ) -> tf.Tensor:
        """Draws like `tf.random.Generator.normal`."""
        return tf.random.stateless_normal(shape, self._next(), mean, stddev, dtype)

    def beta(self, shape: tf.Tensor | tuple, alpha: float) -> tf.Tensor:
        """Draws from Beta(alpha, alpha), float32."""
        first = tf.random.stateless_gamma(shape, self._next(), alpha)
        second = tf.random.stateless_gamma(shape, self._next(), alpha)
        return first / (first + second)

    def permutation(self, count: tf.Tensor) -> tf.Tensor:
        """Returns the numbers 0 … count − 1 in a random order, int32."""
        return tf.random.experimental.stateless_shuffle(tf.range(count), self._next())

    def seeds(self, count: tf.Tensor) -> tf.Tensor:
        """Returns seeds for `seeded`, int64 [count, 2]."""
        return stateless_seeds(self._next(), count)

    def _next(self) -> tf.Tensor:
        if self._seed is None:
            raise RuntimeError("a random number was drawn outside SeededDraws.seeded")
        self._drawn += 1
        return self._seed + tf.constant([0, self._drawn], tf.int64)


def stateless_seeds(seed: tf.Tensor, count: int | tf.Tensor) -> tf.Tensor:
    """Derives `count` widely separated seeds, int64 [count, 2], from one, integers [2]."""
    return tf.random.stateless_uniform([count, 2], seed, None, None, tf.int64)
