"""Builds models by name."""

from __future__ import annotations

import random
from types import ModuleType
from typing import Any

from dbsl_tf.common.errors import UserError
from dbsl_tf.config.names import Precision, Stem
from dbsl_tf.models.layers import Layers
from dbsl_tf.models.mobilenet_v2 import mobilenet_v2_logits
from dbsl_tf.models.resnet import ARCHITECTURES, resnet_logits

MOBILENET_V2 = "mobilenet_v2"
MODELS = (*ARCHITECTURES, MOBILENET_V2)


def build_model(
    keras: ModuleType,
    name: str,
    classes: int,
    dropout: float,
    seed: int = 0,
    stem: Stem = "cifar",
    precision: Precision = "float32",
) -> Any:
    """Builds the model called `name` for images of any size with three channels.

    Args:
        keras: `keras_core`, to train with batch normalisation on the fused operation, or today's
            `keras`, to export. Both give the same layers and the same order of weights.
        name: one of `MODELS`.
        classes: number of logits.
        dropout: share of the features before the classifier that is dropped in training, 0 to 1.
        seed: seed of the initial weights and of the dropout.
        stem: first layers, "cifar" for small images or "imagenet".
        precision: Keras's dtype policy of the layers up to the pooling.

    Returns:
        A `keras.Model` from normalised images [batch, height, width, 3] to float32 logits
        [batch, classes]. The same arguments give the same weights in the same order, but a seed
        gives different numbers with a different `keras`.

    Raises:
        UserError: `name` is not a known model.
    """
    if name not in MODELS:
        raise UserError(f"model.name: unknown model {name!r}, choose one of {', '.join(MODELS)}")
    layers = Layers(keras, _batch_normalization(keras), precision, random.Random(seed))
    images = layers.images()
    if name == MOBILENET_V2:
        logits = mobilenet_v2_logits(layers, images, classes=classes, dropout=dropout, stem=stem)
    else:
        architecture = ARCHITECTURES[name]
        logits = resnet_logits(
            layers, architecture, images, classes=classes, dropout=dropout, stem=stem
        )
    return keras.Model(images, logits, name=name)


def _batch_normalization(keras: ModuleType) -> type:
    if keras.__name__ != "keras_core":
        return keras.layers.BatchNormalization
    # Imported here because it loads TensorFlow.
    from dbsl_tf.models.batch_normalization import FusedBatchNormalization

    return FusedBatchNormalization
