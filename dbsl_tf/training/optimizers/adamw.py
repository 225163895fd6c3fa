"""Adam with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

from dbsl_tf.training.optimizers.clipping import check_clip_norm, clip
from dbsl_tf.training.optimizers.optimizer import (
    LearningRate,
    check_above_zero,
    check_learning_rate,
    check_share,
    check_weight_decay,
)


@dataclass(frozen=True)
class AdamW:
    """AdamW (Loshchilov and Hutter, arXiv 1711.05101) with the update rule of Keras's `AdamW`.

    With gradient g and learning rate lr, step t of a weight w is

        w ← w − lr·weight_decay·w
        m ← beta_1·m + (1 − beta_1)·g
        v ← beta_2·v + (1 − beta_2)·g²
        w ← w − lr·√(1 − beta_2ᵗ)/(1 − beta_1ᵗ) · m/(√v + epsilon)

    Its state is t, the m of all weights, and the v of all weights.

    Attributes:
        learning_rate: above 0, or a function of the epoch; a `Trainer` scales and passes it on,
            `step` is given one.
        weight_decay: decay coefficient, ≥ 0.
        beta_1: share of the mean gradient that is kept, 0 ≤ beta_1 < 1.
        beta_2: share of the mean squared gradient that is kept, 0 ≤ beta_2 < 1.
        epsilon: keeps the divisor from being 0, > 0.
        clip_norm: largest norm of all gradients together, > 0; None: any.

    Raises:
        ValueError: a value is out of its range.

    Example:
        >>> adamw = AdamW(learning_rate=1e-3, weight_decay=0.01)
        >>> weights = [tf.ones([2])]
        >>> weights, state = adamw.step(
        ...     weights, [tf.ones([2])], adamw.initial_state(weights), 1e-3, [False]
        ... )
        >>> weights[0].numpy()
        array([0.999, 0.999], dtype=float32)
    """

    learning_rate: LearningRate = 1e-3
    weight_decay: float = 0.004
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        check_learning_rate(self.learning_rate)
        check_weight_decay(self.weight_decay)
        check_share("beta_1", self.beta_1)
        check_share("beta_2", self.beta_2)
        check_above_zero("epsilon", self.epsilon)
        check_clip_norm(self.clip_norm)

    def initial_state(self, weights: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Zeros: a scalar, then twice those shaped like `weights`."""
        return [tf.constant(0.0), *(tf.zeros_like(weight) for weight in [*weights, *weights])]

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
        rate = tf.cast(learning_rate, tf.float32)
        number = state[0] + 1.0
        corrected = rate * tf.sqrt(1.0 - self.beta_2**number) / (1.0 - self.beta_1**number)
        means, squares = state[1 : len(weights) + 1], state[len(weights) + 1 :]
        new_weights, new_means, new_squares = [], [], []
        for weight, gradient, mean, square, decayed in zip(
            weights, clip(gradients, self.clip_norm), means, squares, decay, strict=True
        ):
            mean = mean + (gradient - mean) * (1.0 - self.beta_1)
            square = square + (tf.square(gradient) - square) * (1.0 - self.beta_2)
            if decayed and self.weight_decay:
                weight = weight - rate * self.weight_decay * weight
            new_weights.append(weight - corrected * mean / (tf.sqrt(square) + self.epsilon))
            new_means.append(mean)
            new_squares.append(square)
        return new_weights, [number, *new_means, *new_squares]
