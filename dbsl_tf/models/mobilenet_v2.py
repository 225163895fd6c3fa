"""MobileNetV2 for small and large images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dbsl_tf.config.names import Stem
from dbsl_tf.models.layers import Layers

STEM_CHANNELS = 32
LAST_CHANNELS = 1280


@dataclass(frozen=True)
class Bottlenecks:
    """One line of Table 2 of the publication.

    Attributes:
        expansion: channels of a block's depthwise convolution for each channel of its input, t.
        channels: channels of the output, c.
        blocks: number of blocks, n.
        stride: stride of the first block, s; the others have 1.
    """

    expansion: int
    channels: int
    blocks: int
    stride: int


# Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (CVPR 2018), Table 2.
# https://arxiv.org/abs/1801.04381
STAGES = (
    Bottlenecks(expansion=1, channels=16, blocks=1, stride=1),
    Bottlenecks(expansion=6, channels=24, blocks=2, stride=2),
    Bottlenecks(expansion=6, channels=32, blocks=3, stride=2),
    Bottlenecks(expansion=6, channels=64, blocks=4, stride=2),
    Bottlenecks(expansion=6, channels=96, blocks=3, stride=1),
    Bottlenecks(expansion=6, channels=160, blocks=3, stride=2),
    Bottlenecks(expansion=6, channels=320, blocks=1, stride=1),
)


def mobilenet_v2_logits(layers: Layers, x: Any, *, classes: int, dropout: float, stem: Stem) -> Any:
    """Maps images [batch, height, width, 3] to logits [batch, classes].

    With the stem "imagenet" it is the published network at width 1, which halves the size of the
    images five times. "cifar" omits the first two halvings, in the first convolution and in the
    stage with 24 channels, as in the residual networks.

    Args:
        layers: makes the layers.
        x: the images.
        classes: number of logits.
        dropout: share of the pooled features that is dropped in training.
        stem: whether the first two halvings are made.
    """
    first_strides = 2 if stem == "imagenet" else 1
    x = layers.convolution(x, STEM_CHANNELS, 3, first_strides, "stem")
    x = layers.relu(x, "stem_relu", 6.0)
    for index, stage in enumerate(STAGES):
        stride = first_strides if index == 1 else stage.stride
        for block in range(stage.blocks):
            name = f"stage{index + 1}_block{block + 1}"
            x = _inverted_residual(layers, x, stage, stride if block == 0 else 1, name)
    x = layers.relu(layers.convolution(x, LAST_CHANNELS, 1, 1, "last"), "last_relu", 6.0)
    return layers.classifier(x, classes, dropout)


def _inverted_residual(layers: Layers, x: Any, stage: Bottlenecks, stride: int, name: str) -> Any:
    """Widens, filters each channel, narrows without ReLU; adds `x` where shapes agree."""
    before, channels = x, x.shape[-1]
    if stage.expansion != 1:
        x = layers.convolution(x, stage.expansion * channels, 1, 1, f"{name}_expansion")
        x = layers.relu(x, f"{name}_relu1", 6.0)
    x = layers.depthwise_convolution(x, 3, stride, f"{name}_depthwise")
    x = layers.relu(x, f"{name}_relu2", 6.0)
    x = layers.convolution(x, stage.channels, 1, 1, f"{name}_projection")
    if stride == 1 and stage.channels == channels:
        x = layers.add(before, x, f"{name}_add")
    return x
