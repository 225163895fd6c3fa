"""A model small enough to train by hand: softmax regression on the mean colour of an image."""

from __future__ import annotations

import numpy as np

CLASSES = 2


def build_network():
    import keras_core

    from dbsl_tf.training.network import Network

    inputs = keras_core.Input((None, None, 3))
    pooled = keras_core.layers.GlobalAveragePooling2D()(inputs)
    outputs = keras_core.layers.Dense(CLASSES, name="classifier")(pooled)
    return Network(keras_core.Model(inputs, outputs))


def batches(sizes: list[int], seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Images [B, 2, 2, 3] and one-hot labels [B, 2] of the given sizes."""
    random = np.random.default_rng(seed)
    return [
        (
            random.normal(size=(size, 2, 2, 3)).astype(np.float32),
            np.eye(CLASSES, dtype=np.float32)[random.integers(CLASSES, size=size)],
        )
        for size in sizes
    ]


def logits_and_losses(weights, images, labels):
    features = images.mean(axis=(1, 2))
    logits = features @ weights[0] + weights[1]
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return features, logits, log_probabilities, -(labels * log_probabilities).sum(axis=1)


def train_by_hand(weights, data, batch, learning_rate, momentum, weight_decay, velocity=None):
    """SGD with momentum and L2 decay of the kernel, in float64; fewer than `batch` count less.

    Returns:
        The weights, the velocity (which begins with 0 if none is given) and the summed loss.
    """
    kernel, bias = (np.asarray(weight, np.float64) for weight in weights)
    velocity = velocity or [np.zeros_like(kernel), np.zeros_like(bias)]
    total = 0.0
    for images, labels in data:
        features, _, log_probabilities, losses = logits_and_losses((kernel, bias), images, labels)
        error = (np.exp(log_probabilities) - labels) / batch
        gradients = [features.T @ error + weight_decay * kernel, error.sum(axis=0)]
        velocity = [momentum * v - learning_rate * g for v, g in zip(velocity, gradients)]
        kernel, bias = kernel + velocity[0], bias + velocity[1]
        total += losses.sum()
    return [kernel, bias], velocity, total
