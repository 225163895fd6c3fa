"""Stochastic gradient descent as a pure function over lists of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import tensorflow as tf

from dbsl_tf.config.names import DecayMode


@dataclass(frozen=True)
class SGD:
    """SGD with the update rule of Keras's `SGD`, without variables of its own.

    With gradient g, learning rate lr and velocity v, one step is

        v ← momentum·v − lr·g
        w ← w + v                       (momentum)
        w ← w + momentum·v − lr·g       (Nesterov momentum)

    Weight decay is either part of the gradient ("l2": g ← g + weight_decay·w, so it enters the
    velocity) or applied apart from it ("decoupled": w ← w − lr·weight_decay·w before the update,
    Loshchilov and Hutter, arXiv 1711.05101, as the `weight_decay` argument of Keras's optimisers).

    Attributes:
        momentum: share of the velocity that is kept, 0 ≤ momentum < 1. With 0 there is no velocity
            and `nesterov` has no effect.
        nesterov: whether to look one step ahead.
        weight_decay: decay coefficient, ≥ 0.
        decay_mode: "l2" or "decoupled".

    Raises:
        ValueError: a value is out of its range.
    """

    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    decay_mode: DecayMode = "l2"

    def __post_init__(self) -> None:
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), got {self.momentum}")
        if not self.weight_decay >= 0:
            raise ValueError(f"weight_decay must be 0 or more, got {self.weight_decay}")
        if self.decay_mode not in get_args(DecayMode):
            raise ValueError(
                f"decay_mode must be one of {get_args(DecayMode)}, got {self.decay_mode!r}"
            )

    def initial_velocity(self, weights: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Returns zeros shaped like `weights`, or an empty list if the momentum is 0."""
        if self.momentum == 0:
            return []
        return [tf.zeros_like(weight) for weight in weights]

    def step(
        self,
        weights: Sequence[tf.Tensor],
        gradients: Sequence[tf.Tensor],
        velocity: Sequence[tf.Tensor],
        learning_rate: tf.Tensor | float,
        decay: Sequence[bool],
    ) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        """Computes one step.

        Args:
            weights: the trainable weights.
            gradients: of the loss, one for each weight and of its shape.
            velocity: from `initial_velocity` or the step before.
            learning_rate: scalar.
            decay: for each weight, whether weight decay applies to it.

        Returns:
            The new weights and the new velocity.

        Raises:
            ValueError: the sequences differ in length.
        """
        velocities = velocity if self.momentum else [None] * len(weights)
        new_weights, new_velocity = [], []
        for weight, gradient, speed, decayed in zip(
            weights, gradients, velocities, decay, strict=True
        ):
            rate = tf.cast(learning_rate, weight.dtype)
            if decayed and self.weight_decay:
                weight, gradient = self._decayed(weight, gradient, rate)
            # Subtracted, not added: a sum of three becomes one AddN, which TensorFlow's memory
            # optimiser turns into a temporary variable in large models. In a loop, the second step
            # then fails with AlreadyExistsError.
            descent = rate * gradient
            if speed is None:
                new_weights.append(weight - descent)
                continue
            speed = self.momentum * speed - descent
            new_velocity.append(speed)
            change = self.momentum * speed - descent if self.nesterov else speed
            new_weights.append(weight + change)
        return new_weights, new_velocity

    def _decayed(
        self, weight: tf.Tensor, gradient: tf.Tensor, rate: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        if self.decay_mode == "l2":
            return weight, gradient + self.weight_decay * weight
        return weight - rate * self.weight_decay * weight, gradient
