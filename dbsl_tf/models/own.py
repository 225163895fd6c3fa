"""Models from outside this package: built, and checked for what training asks of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.config.names import Precision
from dbsl_tf.models.batch_normalization import use_fused_batch_normalization
from dbsl_tf.models.variables import is_seed_state

# Keras prints parts of its messages in bold.
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
# What weights can be merged as: the parameter servers keep them in one type.
_MERGED = "float32"


@dataclass(frozen=True)
class OwnModel:
    """A model from outside, ready for training.

    Attributes:
        model: a built model of Keras 3 or keras-core.
        fixed: the places, among its non-trainable variables, of those that training leaves as
            they are: weights of frozen layers, constants of preprocessing layers.
    """

    model: Any
    fixed: frozenset[int]


def build_own_model(
    builder: Callable[[], Any], inputs: Any, seed: int = 0, precision: Precision = "float32"
) -> OwnModel:
    """Builds a model from outside and finds out which of its weights training changes.

    Weights that the builder loads, such as pretrained ones, are kept.

    Args:
        builder: returns a model of Keras 3 or keras-core.
        inputs: `tf.TensorSpec`s of a batch of inputs, with an unknown batch size, in the structure
            that the model takes.
        seed: of the initial weights and of the dropout.
        precision: Keras's dtype policy for layers that choose none.

    Raises:
        UserError: what the builder returns is not such a model, does not accept the inputs, or
            cannot run as a pure function of its weights.
    """
    model = _built(builder, seed, precision)
    if not hasattr(model, "stateless_call"):
        raise UserError(
            f"the model is a {type(model).__module__}.{type(model).__qualname__}; return a "
            "keras.Model of Keras 3 or keras-core from the function that builds it"
        )
    if not model.built:
        _run_once(model, inputs)
    use_fused_batch_normalization(model)
    changed = _changed_in_training(model, inputs)
    for place, variable in enumerate(model.non_trainable_variables):
        if changed[place] and not is_seed_state(variable):
            _check_type(model, variable)
    for variable in model.trainable_variables:
        _check_type(model, variable)
        if variable.constraint is not None:
            raise UserError(
                f"{variable.path} of the model {model.name} has the constraint "
                f"{type(variable.constraint).__name__}, which training does not apply; remove it"
            )
    if not model.trainable_variables:
        raise UserError(f"the model {model.name} has no trainable weights: nothing to train")
    return OwnModel(model, frozenset(p for p, changes in enumerate(changed) if not changes))


def _built(builder: Callable[[], Any], seed: int, precision: Precision) -> Any:
    import keras

    if keras.config.backend() != "tensorflow":
        raise UserError(
            f"Keras runs on {keras.config.backend()}, but training needs TensorFlow: set "
            "KERAS_BACKEND=tensorflow before keras is imported"
        )
    policy = keras.config.dtype_policy()
    keras.utils.set_random_seed(seed)
    try:
        if precision != "float32":
            keras.config.set_dtype_policy(precision)
        return builder()
    finally:
        keras.config.set_dtype_policy(policy)


def _run_once(model: Any, inputs: Any) -> None:
    """Has a subclassed model create its weights."""
    batch = tf.nest.map_structure(
        lambda spec: tf.zeros([1, *(size or 1 for size in spec.shape[1:])], spec.dtype), inputs
    )
    try:
        model(batch)
    except Exception as error:
        raise _refusal(model, inputs, error) from error


def _changed_in_training(model: Any, inputs: Any) -> list[bool]:
    """Returns for each non-trainable variable whether a training step changes it."""
    changed: list[bool] = []

    def call(trainable: Any, non_trainable: Any, batch: Any) -> Any:
        outputs, after = model.stateless_call(trainable, non_trainable, batch, training=True)
        changed[:] = [new is not old for new, old in zip(after, non_trainable)]
        return outputs

    try:
        traced = tf.function(call, autograph=False).get_concrete_function(
            [tf.TensorSpec(v.shape, v.dtype) for v in model.trainable_variables],
            [tf.TensorSpec(v.shape, v.dtype) for v in model.non_trainable_variables],
            inputs,
        )
    except Exception as error:
        raise _refusal(model, inputs, error) from error
    for tensor, _ in traced.graph.captures:
        if tensor.dtype == tf.resource:
            raise UserError(
                f"{_holder(model, tensor)} keeps a tf.Variable or another resource of its own, so "
                "the model is not a pure function of its weights: create it with add_weight instead"
            )
    return changed


def _refusal(model: Any, inputs: Any, error: Exception) -> UserError:
    shapes = tf.nest.map_structure(lambda spec: f"{spec.dtype.name}{list(spec.shape)}", inputs)
    reason = " ".join(_ESCAPES.sub("", str(error)).split())[:300]
    return UserError(
        f"the model {model.name} does not accept the data ({shapes}): {reason}; change the model, "
        "or what the data set yields: single samples, of which batches are made"
    )


def _holder(model: Any, resource: tf.Tensor) -> str:
    """Names the layer that holds a resource, as well as it can be found."""
    for layer in model._flatten_layers():
        for value in tf.nest.flatten(list(vars(layer).values())):
            if isinstance(value, tf.Variable) and value.handle is resource:
                return f"layer {layer.name} ({type(layer).__name__})"
    return f"a layer of the model {model.name}"


def _check_type(model: Any, variable: Any) -> None:
    dtype = np.dtype(tf.as_dtype(variable.dtype).as_numpy_dtype).name
    if dtype != _MERGED:
        raise UserError(
            f"{getattr(variable, 'path', variable.name)} of the model {model.name} is {dtype}, "
            f"but weights that change in training must be {_MERGED}: use a mixed precision policy, "
            "or make it no weight"
        )
