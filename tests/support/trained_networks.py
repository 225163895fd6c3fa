"""Networks whose every weight differs from its initial value, without training."""

from __future__ import annotations

from typing import Any

import keras_core
import numpy as np
import tensorflow as tf

from dbsl_tf.exporting.network import TrainedNetwork
from dbsl_tf.models import build_model, model_weights

CLASSES = 5
DROPOUT = 0.2
MEAN, STANDARD_DEVIATION = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)


def disturbed_model(name: str = "resnet8", stem: str = "cifar") -> Any:
    """A keras-core model as it might be after training."""
    model = build_model(keras_core, name, CLASSES, DROPOUT, seed=11, stem=stem)
    generator = np.random.default_rng(1)
    for variable in model_weights(model):
        # Small beside the weights of wide layers too, so that deep networks keep to finite logits.
        size = 0.3 * max(float(np.std(variable.numpy())), 0.1)
        noise = generator.uniform(0.3 * size, size, variable.shape)
        variable.assign(variable.numpy() + noise * np.sign(generator.normal(size=variable.shape)))
    return model


def trained(model: Any, stem: str = "cifar", **changes: Any) -> TrainedNetwork:
    """What is exported of a model."""
    arguments = dict(
        name=model.name, classes=CLASSES, dropout=DROPOUT, stem=stem, mean=MEAN,
        weights=[np.asarray(variable.numpy()) for variable in model_weights(model)],
        standard_deviation=STANDARD_DEVIATION,
    )  # fmt: skip
    return TrainedNetwork(**{**arguments, **changes})


def pixels(*shape: int) -> np.ndarray:
    """Random images, uint8."""
    return np.random.default_rng(2).integers(0, 256, (*shape, 3)).astype(np.uint8)


def logits(model: Any, images: np.ndarray) -> np.ndarray:
    """What the model, as it is trained, makes of raw images."""
    normalised = (images / 255 - np.array(MEAN)) / np.array(STANDARD_DEVIATION)
    return model(tf.constant(normalised, tf.float32), training=False).numpy()
