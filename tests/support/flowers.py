"""Data of a user's own, as a configuration names them: `tests.support.flowers:flowers`."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from dbsl_tf.data.array_data import arrays

CLASSES = 4


def flowers(train=100, test=20, size=32):
    """Images of one colour for each class, and one-hot labels."""
    labels = np.arange(train + test) % CLASSES
    images = np.zeros((train + test, size, size, 3), np.uint8)
    images[..., 0] = 60 * labels[:, None, None]
    labels = np.eye(CLASSES, dtype=np.float32)[labels]
    return arrays(
        *(images[:train], labels[:train], images[train:], labels[train:]),
        preprocess=lambda x, y: (tf.cast(x, tf.float32) / 127.5 - 1.0, y),
        augment=_flip,
    )


def _flip(x, y, seed):
    flipped = tf.random.stateless_uniform([tf.shape(x)[0], 1, 1, 1], seed) < 0.5
    return tf.where(flipped, tf.reverse(x, [2]), x), y


def nothing():
    """Returns something else than training data."""
    return {"x": 1}
