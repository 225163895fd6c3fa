"""Writes a trained network as a SavedModel, for TensorFlow Serving and other languages."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from dbsl_tf.common.atomic_folder import make_folder
from dbsl_tf.common.errors import UserError
from dbsl_tf.exporting.network import TrainedNetwork


def save_saved_model(folder: Path, network: TrainedNetwork) -> None:
    """Writes the network as a SavedModel that serves raw images.

    Its signature `serving_default` maps `pixels`, uint8 [batch, height, width, 3] with any
    height and width, to `logits` and `probabilities`, float32 [batch, classes]. The folder is
    written whole or not at all.

    Args:
        folder: the folder to create; missing parents are made.
        network: the network to save.

    Raises:
        UserError: the model is unknown, the weights do not fit it, or the folder cannot be written
            or exists and is not empty.
    """
    _check_unused(folder)
    model = network.from_pixels()

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="pixels")])
    def serve(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = model(tf.cast(pixels, tf.float32), training=False)
        return {"logits": logits, "probabilities": tf.nn.softmax(logits)}

    served = tf.Module(name=model.name)
    served.weights = [variable.value for variable in model.variables]
    served.serve = serve

    def write(partial: Path) -> None:
        tf.saved_model.save(served, str(partial), signatures={"serving_default": serve})

    try:
        make_folder(folder, write)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror or error}); free some space, correct "
            "the permissions, or give another folder"
        ) from error


def _check_unused(folder: Path) -> None:
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"{folder} already exists; remove it, or give another --output")
