"""Gradient clipping by global norm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

from dbsl_tf.training.optimizers.optimizer import Optimizer, check_above_zero


def clip(gradients: Sequence[tf.Tensor], clip_norm: float | None) -> Sequence[tf.Tensor]:
    """Scales gradients down where their norm, that of all together, is larger than `clip_norm`.

    As Keras's `global_clipnorm` (Pascanu et al., arXiv 1211.5063). None changes nothing.
    """
    if clip_norm is None:
        return gradients
    clipped, _ = tf.clip_by_global_norm(gradients, clip_norm)
    return clipped


def check_clip_norm(clip_norm: float | None) -> None:
    """Raises ValueError where it is neither None nor a number above 0."""
    if clip_norm is not None:
        check_above_zero("clip_norm", clip_norm)


@dataclass(frozen=True)
class Clipped:
    """Another optimiser, whose gradients are clipped by their global norm.

    Attributes:
        optimizer: that takes the step.
        clip_norm: largest norm of all gradients together, above 0.

    Raises:
        ValueError: `clip_norm` is out of its range.
    """

    optimizer: Optimizer
    clip_norm: float

    def __post_init__(self) -> None:
        check_clip_norm(self.clip_norm)

    def initial_state(self, weights: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """See `Optimizer`."""
        return self.optimizer.initial_state(weights)

    def step(
        self,
        weights: Sequence[tf.Tensor],
        gradients: Sequence[tf.Tensor],
        state: Sequence[tf.Tensor],
        learning_rate: tf.Tensor | float,
        decay: Sequence[bool],
    ) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        """See `Optimizer`."""
        clipped = clip(gradients, self.clip_norm)
        return self.optimizer.step(weights, clipped, state, learning_rate, decay)
