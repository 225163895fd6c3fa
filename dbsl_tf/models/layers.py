"""The layers that networks are made of, from keras-core or from Keras 3."""

from __future__ import annotations

import random
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from dbsl_tf.config.names import Precision

BATCH_NORMALIZATION_MOMENTUM = 0.9
BATCH_NORMALIZATION_EPSILON = 1e-5


@dataclass
class Layers:
    """Makes the layers of one network.

    Convolutions have no bias, are initialised with He's normal distribution and are followed by
    batch normalisation. Pooling, dropout and classifier compute in float32 with any `precision`.

    Attributes:
        keras: the module whose layers are used, `keras_core` or `keras`.
        batch_normalization: layer class with the arguments of Keras's `BatchNormalization`.
        precision: dtype policy of the convolutions and what lies between them; weights are
            float32 with any.
        seeds: seeds of the initial weights and of the dropout.
    """

    keras: ModuleType
    batch_normalization: type
    precision: Precision
    seeds: random.Random

    def images(self) -> Any:
        """Returns the input, [batch, height, width, 3]."""
        return self.keras.Input(shape=(None, None, 3), name="image")

    def convolution(self, x: Any, channels: int, size: int, stride: int, name: str) -> Any:
        """Returns a convolution of `size` × `size` and its batch normalisation."""
        x = self.keras.layers.Conv2D(
            channels,
            size,
            strides=stride,
            padding="same",
            use_bias=False,
            kernel_initializer=self.keras.initializers.HeNormal(seed=self._seed()),
            dtype=self.precision,
            name=f"{name}_convolution",
        )(x)
        return self._normalization(x, name)

    def depthwise_convolution(self, x: Any, size: int, stride: int, name: str) -> Any:
        """Returns a convolution of each channel on its own, and its batch normalisation."""
        x = self.keras.layers.DepthwiseConv2D(
            size,
            strides=stride,
            padding="same",
            use_bias=False,
            # Keras counts all channels as inputs of an output, which has only its own.
            depthwise_initializer=self.keras.initializers.VarianceScaling(
                2.0 * x.shape[-1], "fan_in", "truncated_normal", seed=self._seed()
            ),
            dtype=self.precision,
            name=f"{name}_convolution",
        )(x)
        return self._normalization(x, name)

    def relu(self, x: Any, name: str, maximum: float | None = None) -> Any:
        """Returns max(x, 0), optionally capped at a maximum."""
        return self.keras.layers.ReLU(max_value=maximum, dtype=self.precision, name=name)(x)

    def add(self, x: Any, y: Any, name: str) -> Any:
        """Returns x + y."""
        return self.keras.layers.Add(dtype=self.precision, name=name)([x, y])

    def max_pooling(self, x: Any, size: int, stride: int, name: str) -> Any:
        """Returns the largest of each `size` × `size` pixels."""
        return self.keras.layers.MaxPooling2D(
            size, stride, padding="same", dtype=self.precision, name=name
        )(x)

    def classifier(self, x: Any, classes: int, dropout: float) -> Any:
        """Returns logits [batch, classes] of the features averaged over the image.

        Thanks to the average, images of any size fit the same weights.
        """
        layers = self.keras.layers
        x = layers.GlobalAveragePooling2D(dtype="float32", name="pooling")(x)
        x = layers.Dropout(dropout, seed=self._seed(), dtype="float32", name="dropout")(x)
        initializer = self.keras.initializers.HeNormal(seed=self._seed())
        return layers.Dense(
            classes, kernel_initializer=initializer, dtype="float32", name="logits"
        )(x)

    def _seed(self) -> int:
        # Not 0, which keras-core's initialisers take for "no seed".
        return self.seeds.randint(1, 2**31 - 1)

    def _normalization(self, x: Any, name: str) -> Any:
        return self.batch_normalization(
            momentum=BATCH_NORMALIZATION_MOMENTUM,
            epsilon=BATCH_NORMALIZATION_EPSILON,
            name=f"{name}_normalization",
        )(x)
