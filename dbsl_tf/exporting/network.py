"""Rebuilds a trained network as a model of Keras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dbsl_tf.config.names import Stem
from dbsl_tf.models.building import build_model
from dbsl_tf.models.variables import check_weights_fit, model_weights

if TYPE_CHECKING:
    import numpy as np

    from dbsl_tf.data.training_data import TrainingData
    from dbsl_tf.resolved import RunSettings


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network, independent of how it was trained.

    Attributes:
        name: one of `dbsl_tf.models.MODELS`.
        classes: number of logits.
        dropout: rate of the dropout layer, for further training.
        weights: in the order of `dbsl_tf.models.model_weights`: the trainable weights, then the
            moving statistics, without states of seed generators.
        mean: mean of the training pixels divided by 255, for each channel; None: it was trained
            on data of a user's own, which are prepared outside of it.
        standard_deviation: standard deviation of the same; None likewise.
        stem: the first layers, see `build_model`.
    """

    name: str
    classes: int
    dropout: float
    weights: Sequence[np.ndarray]
    mean: Sequence[float] | None
    standard_deviation: Sequence[float] | None
    stem: Stem = "cifar"

    def to_keras(self) -> Any:
        """Returns the network as a `keras.Model` of stock Keras 3 layers, in float32.

        It maps pixels of 0 to 255, [batch, height, width, 3] of any size, to logits
        [batch, classes]; a `Normalization` layer standardises them first. With data of a user's
        own it maps what these yield.

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
        if self.mean is None or self.standard_deviation is None:
            return network
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


@dataclass(frozen=True)
class OwnNetwork:
    """A trained model from outside this package.

    Attributes:
        settings: of the run.
        data: that it was trained on.
        weights: in the order of `dbsl_tf.training.network.Network`.
    """

    settings: RunSettings
    data: TrainingData
    weights: Sequence[np.ndarray]

    def to_keras(self) -> Any:
        """Returns the model itself, from what the data set yields to its outputs.

        Raises:
            UserError: it cannot be built any more, or the weights do not fit it.
        """
        # Imported here because it loads TensorFlow.
        from dbsl_tf.training.building import build_network

        # The model may later run on a GPU, where Keras's own convolutions are faster.
        compute = self.settings.compute.model_copy(update={"winograd": False})
        settings = replace(self.settings, compute=compute)
        network = build_network(settings, self.data, settings.highest.dropout)
        check_weights_fit(network.initial_weights(), self.weights)
        network.assign(self.weights)
        return network.model
