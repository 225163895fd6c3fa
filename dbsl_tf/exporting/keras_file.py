"""Writes a trained network as a file that Keras 3 loads without this package."""

from __future__ import annotations

from pathlib import Path

from dbsl_tf.common.files import write_whole
from dbsl_tf.exporting.network import OwnNetwork, TrainedNetwork


def save_keras3(path: Path, network: TrainedNetwork | OwnNetwork) -> None:
    """Writes the network as a `.keras` file of stock Keras 3 layers, from raw pixels to logits.

    The file does not need this package: `keras.saving.load_model(path)` loads it. It is written
    whole or not at all.

    Args:
        path: ends in `.keras`; missing directories are made.
        network: see `TrainedNetwork.to_keras` for inputs and outputs.

    Raises:
        ValueError: the path does not end in `.keras`.
        UserError: the model is unknown, the weights do not fit it, or the file cannot be written.
    """
    if path.suffix != ".keras":
        raise ValueError(f"the path of an exported model must end in .keras, got {path}")
    write_whole(path, network.to_keras().save)
