"""Optimisers as a user writes them, outside the package."""

from __future__ import annotations

import tensorflow as tf


class Lion:
    """Chen et al., arXiv 2302.06675; it counts its steps for a warm-up of its own."""

    def __init__(self, beta: float = 0.9, warm_up: int = 1) -> None:
        if warm_up < 1:
            raise ValueError(f"warm_up must be 1 or more, got {warm_up}")
        self._beta = beta
        self._warm_up = warm_up

    def initial_state(self, weights):
        return [*(tf.zeros_like(weight) for weight in weights), tf.constant(0.0)]

    def step(self, weights, gradients, state, learning_rate, decay):
        *means, count = state
        rate = learning_rate * tf.minimum((count + 1.0) / self._warm_up, 1.0)
        changes = [
            tf.sign(self._beta * mean + (1.0 - self._beta) * gradient)
            for mean, gradient in zip(means, gradients)
        ]
        means = [
            self._beta * mean + (1.0 - self._beta) * gradient
            for mean, gradient in zip(means, gradients)
        ]
        return [w - rate * change for w, change in zip(weights, changes)], [*means, count + 1.0]


class NoSteps:
    """Lacks what an optimiser has."""

    def initial_state(self, weights):
        return []
