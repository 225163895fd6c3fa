"""The network of a run: a built-in model, or one from outside."""

from __future__ import annotations

from functools import partial

import keras_core

from dbsl_tf.config.registries import MODELS
from dbsl_tf.data.training_data import TrainingData, known_classes
from dbsl_tf.models import build_model
from dbsl_tf.models.own import OwnModel, build_own_model
from dbsl_tf.resolved import RunSettings
from dbsl_tf.training.compute import Compute
from dbsl_tf.training.initial_weights import load_initial_weights
from dbsl_tf.training.network import Network


def build_network(settings: RunSettings, data: TrainingData, dropout: float) -> Network:
    """Returns the network with the weights that a run begins with.

    Args:
        settings: of the run.
        data: that it is trained on.
        dropout: rate of a built-in model.

    Raises:
        UserError: there is no such model, it cannot be trained on the data, or its initial weights
            cannot be used.
    """
    model, compute = settings.model, settings.compute
    if MODELS.is_builtin(model.name):
        built = OwnModel(
            build_model(
                keras_core,
                model.name,
                known_classes(data, f"model.name={model.name}"),
                dropout,
                seed=model.seed,
                stem=model.stem,
                precision=compute.settled_precision,
            ),
            frozenset(),
        )
    else:
        inputs, _ = data.element_spec(settings.highest.resolution)
        builder = partial(MODELS.make, model.name, model.options)
        built = build_own_model(builder, inputs, model.seed, compute.settled_precision)
    if model.weights is not None:
        load_initial_weights(built.model, model.weights)
    return Network(
        built.model,
        decay_all=settings.optimizer.decay_normalization,
        compute=Compute.of(compute),
        fixed=built.fixed,
    )
