"""Dynamic loss scaling, which keeps small float16 gradients from becoming zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf


class ScaleState(NamedTuple):
    """The scale, float32, and its steps without overflow since it changed, int32; scalars."""

    scale: tf.Tensor
    good_steps: tf.Tensor


@dataclass(frozen=True)
class LossScale:
    """Dynamic loss scaling (Micikevicius et al., arXiv 1710.03740, section 3.2).

    The loss is multiplied by the scale before the gradient is taken, and the gradient divided by
    it afterwards. If a gradient overflows, the step must be skipped and the scale is halved; it is
    doubled after `growth_steps` steps without an overflow. The defaults are those of Keras's
    `LossScaleOptimizer`.

    Attributes:
        initial: scale to begin with.
        growth_steps: good steps before the scale is doubled.
    """

    initial: float = 2.0**15
    growth_steps: int = 2000

    def initial_state(self) -> ScaleState:
        """Returns the state before the first step."""
        return ScaleState(tf.constant(self.initial), tf.constant(0))

    def after(self, state: ScaleState, finite: tf.Tensor) -> ScaleState:
        """Returns the state after a step.

        Args:
            state: before the step.
            finite: whether its gradients are finite, bool scalar.
        """
        good_steps = tf.where(finite, state.good_steps + 1, 0)
        grown = good_steps >= self.growth_steps
        scale = tf.where(
            finite,
            tf.where(grown, 2.0 * state.scale, state.scale),
            tf.maximum(0.5 * state.scale, 1.0),
        )
        return ScaleState(scale, tf.where(grown, 0, good_steps))


def all_finite(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns whether no element of any tensor is infinite or not a number, a boolean scalar."""
    return tf.reduce_all([tf.reduce_all(tf.math.is_finite(tensor)) for tensor in tensors])
