"""Tells which of a model's variables are weights, which are decayed and which are random state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dbsl_tf.common.errors import UserError

# Keras's names of biases and of the offset and scale of normalisation layers.
_NOT_DECAYED = frozenset({"bias", "beta", "gamma"})


def model_weights(model: Any) -> list[Any]:
    """Returns the variables that make up the trained model, in the order of their export.

    First the trainable weights, then the non-trainable ones (moving mean and variance of every
    batch normalisation), both in the order of the layers; no state of seed generators. The order
    is the same for the same network built with keras-core or with Keras 3.
    """
    return [*model.trainable_weights, *model.non_trainable_weights]


def check_weights_fit(network: Sequence[Any], weights: Sequence[Any]) -> None:
    """Checks that stored weights fit a network.

    Args:
        network: variables or arrays with the shapes that belong there.
        weights: arrays.

    Raises:
        UserError: there are more or fewer, or one has another shape.
    """
    problem = misfit(network, weights)
    if problem:
        raise UserError(
            f"the weights do not fit the network: {problem}; if it is the model that has changed, "
            "change it back, or start another run in another run.dir; else restore config.yaml, "
            "data.json and the checkpoint, which must be those of one run"
        )


def misfit(network: Sequence[Any], weights: Sequence[Any]) -> str:
    """Returns how weights differ from those of a network; empty if they fit. Arguments as above."""
    expected, received = ([tuple(one.shape) for one in many] for many in (network, weights))
    if len(expected) != len(received):
        return f"there are {len(received)}, it has {len(expected)}"
    for number, (wanted, found) in enumerate(zip(expected, received), 1):
        if wanted != found:
            return f"number {number} of {len(expected)} has the shape {found}, there it is {wanted}"
    return ""


def is_seed_state(variable: Any) -> bool:
    """Returns whether a non-trainable variable of a model is the state of a seed generator.

    Such a state is two integers (uint32 in keras-core) which must never be averaged like weights.
    """
    return variable.name == "seed_generator_state"


def decayed_weights(model: Any) -> list[bool]:
    """Returns for each trainable variable whether weight decay applies to it.

    It applies to the kernels of convolutions and dense layers, but not to biases or to the scale
    and offset of normalisation layers (He et al., "Bag of Tricks", CVPR 2019, section 3.1).
    """
    return [variable.name not in _NOT_DECAYED for variable in model.trainable_variables]
