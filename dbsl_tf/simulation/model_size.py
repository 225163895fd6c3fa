"""How many weights a model has, from its architecture alone, and what a merge makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dbsl_tf.common.errors import UserError
from dbsl_tf.config.catalogue import DATASETS, dataset_spec
from dbsl_tf.config.data_section import DataSection
from dbsl_tf.config.training_sections import OptimizerSection
from dbsl_tf.data.image_listing import TRAIN, class_folders
from dbsl_tf.models.building import MOBILENET_V2
from dbsl_tf.models.mobilenet_v2 import LAST_CHANNELS, STAGES, STEM_CHANNELS
from dbsl_tf.models.resnet import ARCHITECTURES, BOTTLENECK_EXPANSION, ResNet
from dbsl_tf.resolved import RunSettings

_IMAGE_CHANNELS = 3
# What the built-in outer optimisers keep, in copies of the weights; see `shared_model.outer`, which
# needs TensorFlow.
KEPT_COPIES = {"delta": 0, "delayed_nesterov": 2, "nesterov": 1, "slowmo": 1}


@dataclass(frozen=True)
class Convolution:
    """A convolution with batch normalisation.

    Attributes:
        kernel: numbers in its kernel.
        channels: of its output.
    """

    kernel: int
    channels: int


def weight_counts(name: str, classes: int, stem: str) -> tuple[int, int]:
    """Returns how many numbers the trainable weights of a model have, and its other weights."""
    if name == MOBILENET_V2:
        convolutions = list(_mobilenet_v2())
    else:
        convolutions = list(_resnet(ARCHITECTURES[name], stem))
    channels = sum(convolution.channels for convolution in convolutions)
    kernels = sum(convolution.kernel for convolution in convolutions)
    classifier = (convolutions[-1].channels + 1) * classes
    # Scale and offset are trained, mean and variance are not.
    return kernels + 2 * channels + classifier, 2 * channels


def _resnet(architecture: ResNet, stem: str) -> Iterator[Convolution]:
    width = architecture.width
    yield Convolution((7 if stem == "imagenet" else 3) ** 2 * _IMAGE_CHANNELS * width, width)
    before = width
    for stage, blocks in enumerate(architecture.blocks):
        inner = width * 2**stage
        after = BOTTLENECK_EXPANSION * inner if architecture.bottleneck else inner
        for block in range(blocks):
            if before != after or (stage > 0 and block == 0):
                yield Convolution(before * after, after)
            if architecture.bottleneck:
                yield Convolution(before * inner, inner)
                yield Convolution(9 * inner**2, inner)
                yield Convolution(inner * after, after)
            else:
                yield Convolution(9 * before * inner, inner)
                yield Convolution(9 * inner**2, inner)
            before = after


def _mobilenet_v2() -> Iterator[Convolution]:
    yield Convolution(9 * _IMAGE_CHANNELS * STEM_CHANNELS, STEM_CHANNELS)
    before = STEM_CHANNELS
    for stage in STAGES:
        for _ in range(stage.blocks):
            inner = stage.expansion * before
            if inner != before:
                yield Convolution(before * inner, inner)
            yield Convolution(9 * inner, inner)
            yield Convolution(inner * stage.channels, stage.channels)
            before = stage.channels
    yield Convolution(before * LAST_CHANNELS, LAST_CHANNELS)


def sent_numbers(settings: RunSettings) -> int:
    """Returns how many numbers a pull or a push sends.

    With `optimizer.state` keep the state of the optimiser goes with them.

    Raises:
        UserError: the number of classes is not known without the data, or the state of the
            optimiser without the optimiser.
    """
    trainable, others = weight_counts(
        settings.model.name, _classes(settings.data), settings.model.stem
    )
    kept = _state_numbers(settings.optimizer, trainable) if settings.keeps_optimizer_state else 0
    return trainable + others + kept


def merge_factor(settings: RunSettings) -> float:
    """Returns how long a merge takes relative to `merge.rule` average, by the arrays it goes over.

    Those are the global weights and a worker's, and with an outer optimiser what it keeps and,
    without rounds, what the mini-epoch began with. A rule of a user's own counts as average.
    """
    kept = KEPT_COPIES.get(settings.merge.rule)
    if kept is None:
        return 1.0
    begun = 0 if settings.synchronization.in_rounds else 1
    return (2 + begun + kept) / 2


def _state_numbers(optimizer: OptimizerSection, trainable: int) -> int:
    """How many numbers the state of an optimiser has, by those that the trainable weights have."""
    if optimizer.name in ("sgd", "lars"):
        return trainable if optimizer.momentum else 0
    if optimizer.name == "adamw":
        return 2 * trainable + 1
    raise UserError(
        f"simulate.model_bytes is null, and how large the state of optimizer.name={optimizer.name} "
        "is, which optimizer.state=keep sends along, is known to training alone; give "
        "simulate.model_bytes"
    )


def _classes(section: DataSection) -> int:
    if section.name in DATASETS:
        return dataset_spec(section.name).classes
    if not section.is_builtin:
        raise UserError(
            f"simulate.model_bytes is null, and {section.name} does not tell how many classes the "
            "model has; give simulate.model_bytes"
        )
    directory = section.dir
    if directory is None or not (directory / "train").is_dir():
        raise UserError(
            f"simulate.model_bytes is null, and data.dir={directory} has no train/ to show how "
            "many classes the model has; give simulate.model_bytes"
        )
    return len(class_folders(directory, TRAIN))
