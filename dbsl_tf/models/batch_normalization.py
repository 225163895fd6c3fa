"""Batch normalisation on TensorFlow's fused operation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras_core
import tensorflow as tf


class FusedBatchNormalization(keras_core.layers.BatchNormalization):
    """keras-core's `BatchNormalization` for images, computed by one fused operation.

    Weights, outputs and moving statistics are those of the stock layer, which spends much of a
    training step of a small ResNet in separate operations for mean, variance and scaling. In
    training the gradient to the inputs is the exact one, as in Keras 3; that of keras-core 0.1.7
    on TensorFlow takes the mean for a constant in the variance (keras-team/keras#18795).

    Inputs are [batch, height, width, channels] in float32, bfloat16 or float16 and the outputs have
    the dtype of the inputs. Whatever the dtype policy, the layer keeps and computes its statistics,
    scale and offset in float32.

    Args:
        **kwargs: those of `keras_core.layers.BatchNormalization`. Only the last axis can be the one
            that is normalised; `dtype` is always float32.

    Raises:
        ValueError: on building, for inputs that are not 4D or an axis that is not the last one.
    """

    def __init__(self, **kwargs: Any) -> None:
        # A policy of float32 without autocast leaves half-precision inputs and float32 weights as
        # they are, as the fused operation requires.
        super().__init__(**{**kwargs, "dtype": "float32", "autocast": False})

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the same weights as the stock layer."""
        if len(input_shape) != 4 or self.axis not in (-1, 3):
            raise ValueError(
                "FusedBatchNormalization needs inputs [batch, height, width, channels] and the "
                f"last axis, got an input of shape {input_shape} and axis {self.axis}"
            )
        super().build(input_shape)

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Normalises by the batch's statistics during training, otherwise by the moving ones.

        A layer that is not `trainable` always uses the moving ones, as the stock layer does.
        """
        return normalize_fused(self, inputs, training)


def normalize_fused(layer: Any, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
    """Does what a `BatchNormalization` of keras-core or Keras 3 does, by the fused operation.

    Args:
        layer: built, with weights in float32; normalises the last axis.
        inputs: [batch, height, width, channels].
        training: whether to normalise by the batch's statistics, if the layer is trainable.
    """
    batch_mode = bool(training and layer.trainable)
    channels = inputs.shape[-1]
    outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
        inputs,
        scale=layer.gamma.value if layer.scale else tf.ones([channels]),
        offset=layer.beta.value if layer.center else tf.zeros([channels]),
        mean=None if batch_mode else layer.moving_mean.value,
        variance=None if batch_mode else layer.moving_variance.value,
        epsilon=layer.epsilon,
        is_training=batch_mode,
    )
    if batch_mode:
        # The operation returns the variance with Bessel's correction (divided by n - 1); Keras
        # averages the one divided by n. With n = 1 the variance is 0 whatever it returns.
        n = tf.cast(tf.size(inputs, out_type=tf.int64) // channels, tf.float32)
        variance = tf.math.multiply_no_nan(variance, (n - 1) / n)
        for moving, value in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
            moving.assign(moving.value * layer.momentum + value * (1 - layer.momentum))
    return outputs


def use_fused_batch_normalization(model: Any) -> None:
    """Has the layers of a Keras 3 model run by `normalize_fused` where that is the same.

    That is where images are normalised by channel.
    """
    import keras

    for layer in model._flatten_layers():
        if (
            type(layer) is keras.layers.BatchNormalization
            and layer.built
            and layer.input_spec.ndim == 4
            and layer.axis in (-1, 3)
            and layer.variable_dtype == "float32"
            and not (layer.synchronized or layer.renorm)
        ):
            layer.call = partial(_fused_or_masked, layer, layer.call)


def _fused_or_masked(
    layer: Any,
    masked: Callable[..., Any],
    inputs: tf.Tensor,
    training: bool | None = None,
    mask: tf.Tensor | None = None,
) -> tf.Tensor:
    if mask is not None:
        return masked(inputs, training=training, mask=mask)
    return normalize_fused(layer, inputs, training)
