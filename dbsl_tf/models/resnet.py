"""Residual networks for small and large images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dbsl_tf.config.names import Stem
from dbsl_tf.models.layers import Layers

# Channels of a bottleneck block's output for each of its 3×3 convolution.
BOTTLENECK_EXPANSION = 4


@dataclass(frozen=True)
class ResNet:
    """Shape of a residual network.

    Attributes:
        blocks: blocks in each stage. Every stage after the first halves height and width and
            doubles the channels.
        width: channels of the stem, and of the 3×3 convolutions of the first stage.
        bottleneck: whether a block is three convolutions of 1×1, 3×3 and 1×1, the last of which
            has four times the channels, rather than two of 3×3.
    """

    blocks: tuple[int, ...]
    width: int
    bottleneck: bool = False


# The 6n+2-layer networks are those of He et al., "Deep Residual Learning for Image Recognition"
# (CVPR 2016), section 4.2; resnet18, resnet34 and resnet50 with the stem "imagenet" are those of
# its Table 1. https://arxiv.org/abs/1512.03385
ARCHITECTURES = {
    "resnet8": ResNet(blocks=(1, 1, 1), width=16),
    "resnet20": ResNet(blocks=(3, 3, 3), width=16),
    "resnet32": ResNet(blocks=(5, 5, 5), width=16),
    "resnet44": ResNet(blocks=(7, 7, 7), width=16),
    "resnet56": ResNet(blocks=(9, 9, 9), width=16),
    "resnet18": ResNet(blocks=(2, 2, 2, 2), width=64),
    "resnet34": ResNet(blocks=(3, 4, 6, 3), width=64),
    "resnet50": ResNet(blocks=(3, 4, 6, 3), width=64, bottleneck=True),
}


def resnet_logits(
    layers: Layers, architecture: ResNet, x: Any, *, classes: int, dropout: float, stem: Stem
) -> Any:
    """Maps images [batch, height, width, 3] to logits [batch, classes].

    The stem "cifar" is one 3×3 convolution of stride 1, "imagenet" a 7×7 convolution of stride 2
    and a 3×3 max pooling of stride 2. The first convolution of a block halves the size where a
    stage begins. The shortcut of a block that changes the shape is a 1×1 convolution with batch
    normalisation (option B of He et al.).

    Args:
        layers: makes the layers.
        architecture: blocks and width.
        x: the images.
        classes: number of logits.
        dropout: share of the pooled features that is dropped in training.
        stem: the first layers.
    """
    block = _bottleneck_block if architecture.bottleneck else _basic_block
    x = _stem(layers, x, architecture.width, stem)
    for stage, blocks in enumerate(architecture.blocks):
        for number in range(blocks):
            stride = 2 if stage > 0 and number == 0 else 1
            channels = architecture.width * 2**stage
            x = block(layers, x, channels, stride, f"stage{stage + 1}_block{number + 1}")
    return layers.classifier(x, classes, dropout)


def _stem(layers: Layers, x: Any, channels: int, kind: Stem) -> Any:
    size, stride = (7, 2) if kind == "imagenet" else (3, 1)
    x = layers.relu(layers.convolution(x, channels, size, stride, "stem"), "stem_relu")
    return layers.max_pooling(x, 3, 2, "stem_pooling") if kind == "imagenet" else x


def _basic_block(layers: Layers, x: Any, channels: int, stride: int, name: str) -> Any:
    shortcut = _shortcut(layers, x, channels, stride, name)
    x = layers.convolution(x, channels, 3, stride, f"{name}_1")
    x = layers.relu(x, f"{name}_relu1")
    x = layers.convolution(x, channels, 3, 1, f"{name}_2")
    return layers.relu(layers.add(x, shortcut, f"{name}_add"), f"{name}_relu2")


def _bottleneck_block(layers: Layers, x: Any, channels: int, stride: int, name: str) -> Any:
    expanded = BOTTLENECK_EXPANSION * channels
    shortcut = _shortcut(layers, x, expanded, stride, name)
    x = layers.relu(layers.convolution(x, channels, 1, stride, f"{name}_1"), f"{name}_relu1")
    x = layers.relu(layers.convolution(x, channels, 3, 1, f"{name}_2"), f"{name}_relu2")
    x = layers.convolution(x, expanded, 1, 1, f"{name}_3")
    return layers.relu(layers.add(x, shortcut, f"{name}_add"), f"{name}_relu3")


def _shortcut(layers: Layers, x: Any, channels: int, stride: int, name: str) -> Any:
    if stride == 1 and x.shape[-1] == channels:
        return x
    return layers.convolution(x, channels, 1, stride, f"{name}_shortcut")
