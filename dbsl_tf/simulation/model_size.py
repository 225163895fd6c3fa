"""How many weights a model has, from its architecture alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbsl_tf.common.errors import UserError
from dbsl_tf.config.catalogue import DATASETS, dataset_spec
from dbsl_tf.data.image_listing import TRAIN, class_folders
from dbsl_tf.models.resnet import ARCHITECTURES, ResNet

if TYPE_CHECKING:
    from dbsl_tf.config import Config

_CHANNELS = 3


def variable_sizes(
    architecture: ResNet, classes: int, stem: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Returns how many numbers each trainable and each other weight has, in the model's order."""
    stem_size = 7 if stem == "imagenet" else 3
    width = architecture.width
    trainable = [stem_size**2 * _CHANNELS * width, width, width]
    normalised = [width]
    before = width
    for stage, blocks in enumerate(architecture.blocks):
        channels = width * 2**stage
        for block in range(blocks):
            shortcut = before != channels or (stage > 0 and block == 0)
            branches = 2 if shortcut else 1
            trainable += [9 * before * channels, channels, channels, 9 * channels**2]
            trainable += [before * channels] * shortcut
            trainable += [channels] * 2 * branches
            normalised += [channels] * (1 + branches)
            before = channels
    trainable += [before * classes, classes]
    others = [size for size in normalised for _ in ("mean", "variance")]
    return tuple(trainable), tuple(others)


def sent_numbers(config: Config) -> int:
    """Returns how many numbers a pull or a push sends.

    With `optimizer.state` keep the velocity of the trainable weights goes with them.

    Raises:
        UserError: the number of classes is not known without the data.
    """
    trainable, others = variable_sizes(
        ARCHITECTURES[config.model.name], _classes(config), config.stem
    )
    kept = config.optimizer.state == "keep" and config.optimizer.momentum
    return sum((*trainable, *others, *(trainable if kept else ())))


def _classes(config: Config) -> int:
    if config.data.name in DATASETS:
        return dataset_spec(config.data.name).classes
    folder = config.data.dir / "train" if config.data.dir else None
    if folder is None or not folder.is_dir():
        raise UserError(
            f"simulate.model_bytes is null, and data.dir={config.data.dir} has no train/ that "
            "tells how many classes the model has; give simulate.model_bytes"
        )
    return len(class_folders(config.data.dir, TRAIN))
