"""Steps on small weights, the same for every optimiser that is compared."""

from __future__ import annotations

import doctest
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf

SHAPES = [(3, 4), (4,), (2, 2, 3, 1)]
DECAY = [True, False, True]
RATES = [0.1, 0.1, 0.02, 0.5, 0.003]


def gradients_at(weights: Sequence[tf.Tensor], step: int) -> list[tf.Tensor]:
    """Gradients that depend on the weights, so that an early difference would grow."""
    generator = np.random.default_rng(step)
    return [tf.sin(w * 3.0) + tf.constant(generator.normal(size=w.shape), w.dtype) for w in weights]


def starting_weights() -> list[tf.Tensor]:
    """Weights of `SHAPES`."""
    generator = np.random.default_rng(5)
    return [tf.constant(generator.normal(size=shape), tf.float32) for shape in SHAPES]


def steps_of(optimizer: Any) -> list[list[np.ndarray]]:
    """Weights after every step of an optimiser, one for each of `RATES`, in a graph."""
    step = tf.function(lambda *arguments: optimizer.step(*arguments, DECAY), autograph=False)
    weights = starting_weights()
    state = optimizer.initial_state(weights)
    history = []
    for number, rate in enumerate(RATES):
        gradients = gradients_at(weights, number)
        weights, state = step(weights, gradients, state, tf.constant(rate))
        history.append([weight.numpy() for weight in weights])
    return history


def keras_steps(module: ModuleType, optimizer: Any, l2: float = 0.0) -> list[list[np.ndarray]]:
    """The same of an optimiser of Keras 3 or keras-core.

    Args:
        module: keras or keras_core.
        optimizer: not built yet.
        l2: weight decay that is part of the gradients.
    """
    variables = [
        module.Variable(weight.numpy(), name="kernel" if decayed else "bias")
        for weight, decayed in zip(starting_weights(), DECAY, strict=True)
    ]
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.build(variables)
    history = []
    for number, rate in enumerate(RATES):
        optimizer.learning_rate.assign(rate)
        gradients = gradients_at([tf.constant(v.numpy()) for v in variables], number)
        gradients = [
            gradient + l2 * variable.numpy() if decayed else gradient
            for gradient, variable, decayed in zip(gradients, variables, DECAY, strict=True)
        ]
        optimizer.apply_gradients(list(zip(gradients, variables, strict=True)))
        history.append([variable.numpy() for variable in variables])
    return history


def run_examples(module: ModuleType) -> None:
    """Run the examples in the docstrings of a module."""
    results = doctest.testmod(module)
    assert results.attempted and not results.failed
