"""Layer-wise adaptive rate scaling."""

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
class LARS:
    """SGD with momentum whose learning rate follows the norms of each weight, for large batches.

    With gradient g, learning rate lr and velocity v, one step of a weight w is (You et al., arXiv
    1708.03888, algorithm 1)

        ratio = trust_coefficient·‖w‖ / (‖g‖ + weight_decay·‖w‖)
        v ← momentum·v − lr·ratio·(g + weight_decay·w)
        w ← w + v

    Weights that weight decay does not apply to, such as biases and the parameters of
    normalisation, have neither: their ratio is 1. So it is where w or the divisor is 0.

    Attributes:
        learning_rate: above 0, or a function of the epoch; a `Trainer` scales and passes it on,
            `step` is given one.
        momentum: share of the velocity that is kept, 0 ≤ momentum < 1; with 0 there is no state.
        weight_decay: decay coefficient, ≥ 0.
        trust_coefficient: how far a step may go, relative to the weight, > 0.
        clip_norm: largest norm of all gradients together, > 0; None: any.

    Raises:
        ValueError: a value is out of its range.

    Example:
        >>> lars = LARS(momentum=0.0, weight_decay=0.0, trust_coefficient=0.01)
        >>> weights, gradients = [tf.constant([3.0, 4.0])], [tf.constant([0.0, 7.0])]
        >>> weights, _ = lars.step(weights, gradients, [], 1.0, [True])
        >>> weights[0].numpy()
        array([3.  , 3.95], dtype=float32)
    """

    learning_rate: LearningRate = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    trust_coefficient: float = 0.001
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        check_learning_rate(self.learning_rate)
        check_share("momentum", self.momentum)
        check_weight_decay(self.weight_decay)
        check_above_zero("trust_coefficient", self.trust_coefficient)
        check_clip_norm(self.clip_norm)

    def initial_state(self, weights: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Zeros shaped like `weights`, or an empty list when the momentum is 0."""
        return [tf.zeros_like(weight) for weight in weights] if self.momentum else []

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
        velocities = state if self.momentum else [None] * len(weights)
        new_weights, new_state = [], []
        for weight, gradient, velocity, decayed in zip(
            weights, clip(gradients, self.clip_norm), velocities, decay, strict=True
        ):
            descent = self._descent(weight, gradient, rate) if decayed else rate * gradient
            if velocity is None:
                new_weights.append(weight - descent)
                continue
            new_state.append(self.momentum * velocity - descent)
            new_weights.append(weight + new_state[-1])
        return new_weights, new_state

    def _descent(self, weight: tf.Tensor, gradient: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        size = tf.norm(weight)
        divisor = tf.norm(gradient) + self.weight_decay * size
        ratio = tf.where(
            tf.logical_and(size > 0, divisor > 0),
            self.trust_coefficient * tf.math.divide_no_nan(size, divisor),
            1.0,
        )
        return rate * ratio * (gradient + self.weight_decay * weight)
