"""Stochastic gradient descent as a pure function over lists of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import tensorflow as tf

from dbsl_tf.config.names import DecayMode
from dbsl_tf.training.optimizers.clipping import check_clip_norm, clip
from dbsl_tf.training.optimizers.optimizer import (
    LearningRate,
    check_learning_rate,
    check_share,
    check_weight_decay,
)


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
        learning_rate: above 0, or a function of the epoch; a `Trainer` scales and passes it on,
            `step` is given one.
        momentum: share of the velocity that is kept, 0 ≤ momentum < 1. With 0 there is no velocity
            and `nesterov` has no effect.
        nesterov: whether to look one step ahead.
        weight_decay: decay coefficient, ≥ 0.
        decay_mode: "l2" or "decoupled".
        clip_norm: largest norm of all gradients together, without the decay, > 0; None: any.

    Raises:
        ValueError: a value is out of its range.

    Example:
        >>> sgd = SGD(momentum=0.5, weight_decay=0.25)
        >>> weights, velocity = [tf.constant([1.0])], [tf.constant([0.5])]
        >>> weights, velocity = sgd.step(weights, [tf.constant([0.75])], velocity, 0.5, [True])
        >>> weights[0].numpy(), velocity[0].numpy()
        (array([0.75], dtype=float32), array([-0.25], dtype=float32))
    """

    learning_rate: LearningRate = 0.1
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    decay_mode: DecayMode = "l2"
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        check_learning_rate(self.learning_rate)
        check_share("momentum", self.momentum)
        check_weight_decay(self.weight_decay)
        check_clip_norm(self.clip_norm)
        if self.decay_mode not in get_args(DecayMode):
            raise ValueError(
                f"decay_mode must be one of {get_args(DecayMode)}, got {self.decay_mode!r}"
            )

    def initial_state(self, weights: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Zeros shaped like `weights`, the velocity; an empty list when the momentum is 0."""
        if self.momentum == 0:
            return []
        return [tf.zeros_like(weight) for weight in weights]

    def step(
        self,
        weights: Sequence[tf.Tensor],
        gradients: Sequence[tf.Tensor],
        state: Sequence[tf.Tensor],
        learning_rate: tf.Tensor | float,
        decay: Sequence[bool],
    ) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        """Takes one step; see `Optimizer`.

        Raises:
            ValueError: the sequences differ in length.
        """
        velocities = state if self.momentum else [None] * len(weights)
        new_weights, new_state = [], []
        for weight, gradient, velocity, decayed in zip(
            weights, clip(gradients, self.clip_norm), velocities, decay, strict=True
        ):
            rate = tf.cast(learning_rate, weight.dtype)
            if decayed and self.weight_decay:
                weight, gradient = self._decayed(weight, gradient, rate)
            # Subtracted, not added: a sum of three becomes one AddN, which TensorFlow's memory
            # optimiser turns into a temporary variable in large models. In a loop, the second step
            # then fails with AlreadyExistsError.
            descent = rate * gradient
            if velocity is None:
                new_weights.append(weight - descent)
                continue
            velocity = self.momentum * velocity - descent
            new_state.append(velocity)
            change = self.momentum * velocity - descent if self.nesterov else velocity
            new_weights.append(weight + change)
        return new_weights, new_state

    def _decayed(
        self, weight: tf.Tensor, gradient: tf.Tensor, rate: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        if self.decay_mode == "l2":
            return weight, gradient + self.weight_decay * weight
        return weight - rate * self.weight_decay * weight, gradient
