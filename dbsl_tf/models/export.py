"""Export of a trained model to a file that today's Keras 3 opens by itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dbsl_tf.config.names import Stem
from dbsl_tf.files import write_whole
from dbsl_tf.models.building import build_model
from dbsl_tf.models.variables import model_weights


def save_keras3(
    path: Path,
    *,
    name: str,
    classes: int,
    dropout: float,
    weights: Sequence[np.ndarray],
    mean: Sequence[float],
    standard_deviation: Sequence[float],
    stem: Stem = "cifar",
) -> None:
    """Writes the network as a `.keras` file of stock Keras 3 layers, from raw pixels to logits.

    The file needs nothing of this package: `keras.saving.load_model(path)` opens it. Its input is
    [batch, height, width, 3] with pixels 0 to 255, which a `Normalization` layer standardises. It
    is written whole or not at all.

    Args:
        path: ends in `.keras`; missing directories are made.
        name: one of `dbsl_tf.models.MODELS`.
        classes: number of logits.
        dropout: rate of the dropout layer, for those who train on.
        weights: in the order of `dbsl_tf.models.model_weights`: the trainable weights, then the
            moving statistics, without states of seed generators.
        mean: of the training pixels divided by 255, one for each channel.
        standard_deviation: of the same.
        stem: of the network, see `build_model`.

    Raises:
        ValueError: the path does not end in `.keras`, or the weights do not fit the network.
        UserError: `name` is not a known model, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise ValueError(f"the path of an exported model must end in .keras, got {path}")
    # Imported here because it loads a second Keras, which only the export needs.
    import keras

    network = build_model(keras, name, classes, dropout, stem=stem)
    _assign(model_weights(network), weights)
    model = keras.Sequential(
        [
            keras.Input(shape=(None, None, 3), name="pixels"),
            keras.layers.Normalization(
                mean=[255 * value for value in mean],
                variance=[(255 * value) ** 2 for value in standard_deviation],
                name="standardize",
            ),
            network,
        ],
        name=f"{name}_from_pixels",
    )
    write_whole(path, model.save)


def _assign(variables: Sequence[Any], values: Sequence[np.ndarray]) -> None:
    expected = [tuple(variable.shape) for variable in variables]
    received = [np.shape(value) for value in values]
    if expected != received:
        raise ValueError(
            f"the weights do not fit the network: it has {len(expected)} weights of shapes "
            f"{expected}, got {len(received)} of shapes {received}"
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
