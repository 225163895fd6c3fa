"""The networks of dbsl_tf in PyTorch.

Layers have the same names as there. If a convolution of stride 2 is applied to an even size,
PyTorch pads on both sides and TensorFlow on one; otherwise they are the same function.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from dbsl_tf.models.building import MOBILENET_V2
from dbsl_tf.models.layers import BATCH_NORMALIZATION_EPSILON, BATCH_NORMALIZATION_MOMENTUM
from dbsl_tf.models.mobilenet_v2 import LAST_CHANNELS, STAGES, STEM_CHANNELS
from dbsl_tf.models.resnet import ARCHITECTURES, BOTTLENECK_EXPANSION, ResNet


def network(name: str, classes: int, dropout: float, stem: str) -> nn.Module:
    """Returns the network called `name`, from images [batch, 3, height, width] to logits.

    Args:
        name: one of `dbsl_tf.models.MODELS`.
        classes: number of logits.
        dropout: share of the features before the classifier that is dropped in training.
        stem: "cifar" or "imagenet".
    """
    if name == MOBILENET_V2:
        features, channels = _mobilenet_v2(stem), LAST_CHANNELS
    else:
        features, channels = _resnet(ARCHITECTURES[name], stem)
    return _Classifier(features, channels, classes, dropout)


class _Classifier(nn.Module):
    """The average of the features over the image, and the last layer."""

    def __init__(self, features: nn.Module, channels: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.features = features
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(channels, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.logits(self.dropout(self.features(images).mean((2, 3))))


class Convolution(nn.Module):
    """A convolution and its batch normalisation.

    Attributes:
        convolution: the convolution, without a bias.
        normalization: its normalisation, which moves its statistics as in dbsl_tf's layers.
    """

    def __init__(self, inputs: int, channels: int, size: int, stride: int, groups: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(
            inputs, channels, size, stride, padding=size // 2, groups=groups, bias=False
        )
        nn.init.kaiming_normal_(self.convolution.weight)
        self.normalization = nn.BatchNorm2d(
            channels,
            eps=BATCH_NORMALIZATION_EPSILON,
            # The weight of the batch, not that of the past.
            momentum=1 - BATCH_NORMALIZATION_MOMENTUM,
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.normalization(self.convolution(x))


def _resnet(architecture: ResNet, stem: str) -> tuple[nn.Module, int]:
    """Returns the layers before the pooling, and their channels."""
    width = architecture.width
    imagenet = stem == "imagenet"
    layers = nn.Sequential()
    layers.add_module("stem", Convolution(3, width, 7 if imagenet else 3, 2 if imagenet else 1))
    layers.add_module("stem_relu", nn.ReLU(inplace=True))
    if imagenet:
        layers.add_module("stem_pooling", nn.MaxPool2d(3, 2, padding=1))
    block_class = _BottleneckBlock if architecture.bottleneck else _BasicBlock
    before = width
    for stage, blocks in enumerate(architecture.blocks):
        channels = width * 2**stage
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            made = block_class(before, channels, stride)
            layers.add_module(f"stage{stage + 1}_block{block + 1}", made)
            before = channels * (BOTTLENECK_EXPANSION if architecture.bottleneck else 1)
    return layers, before


class _Residual(nn.Module):
    """Adds the result of `convolutions` to x, or to a projection of x if shapes differ."""

    def __init__(self, convolutions: list[Convolution], stride: int) -> None:
        super().__init__()
        for number, convolution in enumerate(convolutions, 1):
            self.add_module(str(number), convolution)
        self.convolutions = convolutions
        inputs = convolutions[0].convolution.in_channels
        channels = convolutions[-1].convolution.out_channels
        self.shortcut = (
            Convolution(inputs, channels, 1, stride) if stride != 1 or inputs != channels else None
        )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.shortcut is None else self.shortcut(x)
        for convolution in self.convolutions[:-1]:
            x = functional.relu(convolution(x), inplace=True)
        x = self.convolutions[-1](x)
        return functional.relu(x.add_(shortcut), inplace=True)


class _BasicBlock(_Residual):
    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__(
            [Convolution(inputs, channels, 3, stride), Convolution(channels, channels, 3, 1)],
            stride,
        )


class _BottleneckBlock(_Residual):
    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__(
            [
                Convolution(inputs, channels, 1, stride),
                Convolution(channels, channels, 3, 1),
                Convolution(channels, BOTTLENECK_EXPANSION * channels, 1, 1),
            ],
            stride,
        )


def _mobilenet_v2(stem: str) -> nn.Module:
    first_strides = 2 if stem == "imagenet" else 1
    layers = nn.Sequential()
    layers.add_module("stem", Convolution(3, STEM_CHANNELS, 3, first_strides))
    layers.add_module("stem_relu", nn.ReLU6(inplace=True))
    before = STEM_CHANNELS
    for index, stage in enumerate(STAGES):
        for block in range(stage.blocks):
            stride = 1 if block else first_strides if index == 1 else stage.stride
            made = _InvertedResidual(before, stage.expansion, stage.channels, stride)
            layers.add_module(f"stage{index + 1}_block{block + 1}", made)
            before = stage.channels
    layers.add_module("last", Convolution(before, LAST_CHANNELS, 1, 1))
    layers.add_module("last_relu", nn.ReLU6(inplace=True))
    return layers


class _InvertedResidual(nn.Module):
    def __init__(self, inputs: int, expansion: int, channels: int, stride: int) -> None:
        super().__init__()
        inner = expansion * inputs
        self.expansion = Convolution(inputs, inner, 1, 1) if expansion != 1 else None
        self.depthwise = Convolution(inner, inner, 3, stride, groups=inner)
        self.projection = Convolution(inner, channels, 1, 1)
        self.added = stride == 1 and inputs == channels

    def forward(self, x: Tensor) -> Tensor:
        y = x
        if self.expansion is not None:
            y = functional.relu6(self.expansion(y), inplace=True)
        y = functional.relu6(self.depthwise(y), inplace=True)
        y = self.projection(y)
        return y.add_(x) if self.added else y
