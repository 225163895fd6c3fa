"""Image classifiers as Keras models; importing this package loads neither TensorFlow nor Keras."""

from __future__ import annotations

from dbsl_tf.models.building import MODELS, build_model
from dbsl_tf.models.variables import (
    check_weights_fit,
    decayed_weights,
    is_seed_state,
    model_weights,
)

__all__ = [
    "MODELS",
    "build_model",
    "check_weights_fit",
    "decayed_weights",
    "is_seed_state",
    "model_weights",
]
