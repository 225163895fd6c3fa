"""Writes a trained network as a SavedModel, for TensorFlow Serving and other languages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from dbsl_tf.common.atomic_folder import make_folder
from dbsl_tf.common.errors import UserError
from dbsl_tf.exporting.network import OwnNetwork, TrainedNetwork


def save_saved_model(folder: Path, network: TrainedNetwork | OwnNetwork) -> None:
    """Writes the network as a SavedModel that serves raw images.

    Its signature `serving_default` maps `pixels`, uint8 [batch, height, width, 3] with any
    height and width, to `logits` and `probabilities`, float32 [batch, classes]. The folder is
    written whole or not at all. A model from outside this package serves its own inputs and
    outputs.

    Args:
        folder: the folder to create; missing parents are made.
        network: the network to save.

    Raises:
        UserError: the model is unknown, the weights do not fit it, or the folder cannot be written
            or exists and is not empty.
    """
    _check_unused(folder)
    model = network.to_keras()
    if isinstance(network, OwnNetwork):
        _write(folder, lambda partial: model.export(str(partial), verbose=False))
        return

    dtype = tf.float32 if network.mean is None else tf.uint8

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], dtype, name="pixels")])
    def serve(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = model(tf.cast(pixels, tf.float32), training=False)
        return {"logits": logits, "probabilities": tf.nn.softmax(logits)}

    served = tf.Module(name=model.name)
    served.weights = [variable.value for variable in model.variables]
    served.serve = serve

    def write(partial: Path) -> None:
        tf.saved_model.save(served, str(partial), signatures={"serving_default": serve})

    _write(folder, write)


def _write(folder: Path, write: Callable[[Path], None]) -> None:
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
