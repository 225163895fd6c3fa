"""What the training loop asks of an optimiser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, Protocol

import tensorflow as tf

# A number, or a function of the epoch such as a Keras `LearningRateSchedule`.
LearningRate = float | Callable[[float], Any]


class Optimizer(Protocol):
    """An update rule without variables of its own: what it remembers is passed in and out.

    It is traced into graphs on the chief, so workers need none of its code; it holds no tensors.
    Frozen dataclasses suit.

    Example:
        >>> class SignDescent:
        ...     def initial_state(self, weights):
        ...         return []
        ...
        ...     def step(self, weights, gradients, state, learning_rate, decay):
        ...         return [w - learning_rate * tf.sign(g) for w, g in zip(weights, gradients)], []
    """

    def initial_state(self, weights: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """What it remembers before the first step.

        Args:
            weights: the trainable weights, float32 of static shapes.

        Returns:
            Any number of float32 tensors of any static shapes, which `step` keeps. With
            `optimizer.state: keep` they are sent along with the weights, in
            `cluster.transfer_dtype` if they are not scalars, and are part of the checkpoints.
        """

    def step(
        self,
        weights: Sequence[tf.Tensor],
        gradients: Sequence[tf.Tensor],
        state: Sequence[tf.Tensor],
        learning_rate: tf.Tensor | float,
        decay: Sequence[bool],
    ) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        """Takes one step.

        Args:
            weights: the trainable weights.
            gradients: of the mean loss of the batch, one for each weight and of its shape.
            state: from `initial_state` or the step before.
            learning_rate: float32 scalar.
            decay: for each weight, whether weight decay applies to it; by default not to biases
                and the parameters of normalisation.

        Returns:
            The new weights and the new state.
        """


def check_learning_rate(learning_rate: Any) -> None:
    """Raises ValueError where it is neither a number above 0 nor a function."""
    if callable(learning_rate):
        return
    if not (isinstance(learning_rate, Real) and 0 < float(learning_rate) < float("inf")):
        raise ValueError(
            f"learning_rate must be a number above 0 or a function of the epoch, got "
            f"{learning_rate!r}"
        )


def check_weight_decay(weight_decay: float) -> None:
    """Raises ValueError where it is not a number of 0 or more."""
    if not 0 <= weight_decay < float("inf"):
        raise ValueError(f"weight_decay must be 0 or more, got {weight_decay}")


def check_share(name: str, value: float) -> None:
    """Raises ValueError where what is to be kept of a running mean is not in [0, 1)."""
    if not 0 <= value < 1:
        raise ValueError(f"{name} must be in [0, 1), got {value}")


def check_above_zero(name: str, value: float) -> None:
    """Raises ValueError where it is not a number above 0."""
    if not 0 < value < float("inf"):
        raise ValueError(f"{name} must be above 0, got {value}")
