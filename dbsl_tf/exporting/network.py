"""Rebuilds a trained network in Keras 3, from raw pixels to logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbsl_tf.config.names import Stem
from dbsl_tf.models.building import build_model
from dbsl_tf.models.variables import check_weights_fit, model_weights

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network, independent of how it was trained.

    Attributes:
        name: one of `dbsl_tf.models.MODELS`.
        classes: number of logits.
        dropout: rate of the dropout layer, for further training.
        weights: in the order of `dbsl_tf.models.model_weights`: the trainable weights, then the
            moving statistics, without states of seed generators.
        mean: mean of the training pixels divided by 255, for each channel.
        standard_deviation: standard deviation of the same.
        stem: the first layers, see `build_model`.
    """

    name: str
    classes: int
    dropout: float
    weights: Sequence[np.ndarray]
    mean: Sequence[float]
    standard_deviation: Sequence[float]
    stem: Stem = "cifar"

    def from_pixels(self) -> Any:
        """Returns the network as a `keras.Model` of stock Keras 3 layers, in float32.

        It maps pixels of 0 to 255, [batch, height, width, 3] of any size, to logits
        [batch, classes]; a `Normalization` layer standardises them first.

        Raises:
            UserError: `name` is not a known model, or the weights do not fit the network.
        """
        # Imported here because it loads a second Keras, which only the export needs.
        import keras

        network = build_model(keras, self.name, self.classes, self.dropout, stem=self.stem)
        variables = model_weights(network)
        check_weights_fit(variables, self.weights)
        for variable, value in zip(variables, self.weights, strict=True):
            variable.assign(value)
        return keras.Sequential(
            [
                keras.Input(shape=(None, None, 3), name="pixels"),
                keras.layers.Normalization(
                    mean=[255 * value for value in self.mean],
                    variance=[(255 * value) ** 2 for value in self.standard_deviation],
                    name="standardize",
                ),
                network,
            ],
            name=f"{self.name}_from_pixels",
        )
