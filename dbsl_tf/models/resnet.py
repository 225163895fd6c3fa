"""Residual networks for small and large images, written once for keras-core and for Keras 3."""

from __future__ import annotations

import random
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from dbsl_tf.config.names import Precision, Stem

BATCH_NORMALIZATION_MOMENTUM = 0.9
BATCH_NORMALIZATION_EPSILON = 1e-5


@dataclass(frozen=True)
class ResNet:
    """Shape of a residual network of basic blocks (two 3×3 convolutions each).

    Attributes:
        blocks: blocks in each stage. Every stage after the first halves height and width and
            doubles the channels.
        width: channels of the stem and of the first stage.
    """

    blocks: tuple[int, ...]
    width: int


# The 6n+2-layer networks are those of He et al., "Deep Residual Learning for Image Recognition"
# (CVPR 2016), section 4.2; resnet18 and resnet34 with the stem "imagenet" are those of its
# Table 1. https://arxiv.org/abs/1512.03385
ARCHITECTURES = {
    "resnet8": ResNet(blocks=(1, 1, 1), width=16),
    "resnet20": ResNet(blocks=(3, 3, 3), width=16),
    "resnet32": ResNet(blocks=(5, 5, 5), width=16),
    "resnet44": ResNet(blocks=(7, 7, 7), width=16),
    "resnet56": ResNet(blocks=(9, 9, 9), width=16),
    "resnet18": ResNet(blocks=(2, 2, 2, 2), width=64),
    "resnet34": ResNet(blocks=(3, 4, 6, 3), width=64),
}


def build_resnet(
    keras: ModuleType,
    architecture: ResNet,
    *,
    name: str,
    classes: int,
    dropout: float,
    seed: int,
    stem: Stem,
    precision: Precision,
    batch_normalization: type,
) -> Any:
    """Builds the functional model [batch, height, width, 3] → logits [batch, classes].

    The stem "cifar" is one 3×3 convolution of stride 1, "imagenet" a 7×7 convolution of stride 2
    and a 3×3 max pooling of stride 2. The shortcut of a block that changes the shape is a
    1×1 convolution with batch normalisation (option B of He et al.). Convolutions have no bias.
    Global average pooling makes images of any size fit the same weights. Pooling, dropout and
    classifier compute in float32 with any `precision`.

    Args:
        keras: the module whose layers are used, `keras_core` or `keras`.
        architecture: blocks and width.
        name: the model's name.
        classes: number of logits.
        dropout: share of the pooled features that is dropped in training.
        seed: seed of the initial weights (He normal) and of the dropout.
        stem: the first layers.
        precision: dtype policy of the convolutions and what lies between them; weights are
            float32 with any.
        batch_normalization: layer class with the arguments of Keras's `BatchNormalization`.

    Returns:
        A `keras.Model`. The same arguments give the same weights in the same order; seeds draw
        other numbers under another `keras`.
    """
    network = _Layers(keras, batch_normalization, precision, random.Random(seed))
    inputs = keras.Input(shape=(None, None, 3), name="image")
    x = network.stem(inputs, architecture.width, stem)
    for stage, blocks in enumerate(architecture.blocks):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            channels = architecture.width * 2**stage
            x = network.basic_block(x, channels, stride, f"stage{stage + 1}_block{block + 1}")
    x = keras.layers.GlobalAveragePooling2D(dtype="float32", name="pooling")(x)
    x = keras.layers.Dropout(dropout, seed=network.seed(), dtype="float32", name="dropout")(x)
    logits = keras.layers.Dense(
        classes, kernel_initializer=network.he_normal(), dtype="float32", name="logits"
    )(x)
    return keras.Model(inputs, logits, name=name)


@dataclass
class _Layers:
    """The repeated groups of layers of one network under construction."""

    keras: ModuleType
    batch_normalization: type
    precision: Precision
    seeds: random.Random

    def seed(self) -> int:
        # Not 0, which keras-core's initialisers take for "no seed".
        return self.seeds.randint(1, 2**31 - 1)

    def he_normal(self) -> Any:
        return self.keras.initializers.HeNormal(seed=self.seed())

    def relu(self, name: str) -> Any:
        return self.keras.layers.ReLU(dtype=self.precision, name=name)

    def stem(self, x: Any, channels: int, kind: Stem) -> Any:
        size, stride = (7, 2) if kind == "imagenet" else (3, 1)
        x = self.convolution(x, channels, size, stride, "stem")
        x = self.relu("stem_relu")(x)
        if kind == "imagenet":
            x = self.keras.layers.MaxPooling2D(
                3, 2, padding="same", dtype=self.precision, name="stem_pooling"
            )(x)
        return x

    def convolution(self, x: Any, channels: int, size: int, stride: int, name: str) -> Any:
        x = self.keras.layers.Conv2D(
            channels,
            size,
            strides=stride,
            padding="same",
            use_bias=False,
            kernel_initializer=self.he_normal(),
            dtype=self.precision,
            name=f"{name}_convolution",
        )(x)
        return self.batch_normalization(
            momentum=BATCH_NORMALIZATION_MOMENTUM,
            epsilon=BATCH_NORMALIZATION_EPSILON,
            name=f"{name}_normalization",
        )(x)

    def basic_block(self, x: Any, channels: int, stride: int, name: str) -> Any:
        shortcut = x
        if stride != 1 or x.shape[-1] != channels:
            shortcut = self.convolution(x, channels, 1, stride, f"{name}_shortcut")
        x = self.relu(f"{name}_relu1")(self.convolution(x, channels, 3, stride, f"{name}_1"))
        x = self.convolution(x, channels, 3, 1, f"{name}_2")
        x = self.keras.layers.Add(dtype=self.precision, name=f"{name}_add")([x, shortcut])
        return self.relu(f"{name}_relu2")(x)
