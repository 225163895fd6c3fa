"""Weights that a run begins with, out of files of Keras and of other runs."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from dbsl_tf.common.errors import UserError, reason_of
from dbsl_tf.models.variables import misfit, model_weights
from dbsl_tf.results.run_directory import RunDirectory
from dbsl_tf.training.weights_file import check_model_file, check_weights_file, most_bytes

_WEIGHTS_FILE = ".weights.h5"
_MODEL_FILE = ".keras"


def load_initial_weights(model: Any, path: Path) -> None:
    """Gives a model the weights in a file of Keras, or those of a run of the same model.

    What the file makes this process read and allocate is bounded by the size of the model.

    Args:
        model: of Keras 3 or keras-core.
        path: a model (.keras), its weights (.weights.h5), or the directory of a run, whose
            model.keras counts.

    Raises:
        UserError: they cannot be read, or are of another model.
    """
    file = path
    try:
        if path.is_dir():
            file = RunDirectory(path).model
        if file.name.endswith(_WEIGHTS_FILE):
            check_weights_file(file, most_bytes(model))
            model.load_weights(str(file))
        elif file.suffix == _MODEL_FILE:
            check_model_file(file, most_bytes(model))
            _load_from_model(model, file)
        else:
            raise UserError(
                f"model.weights is {path}; give a {_MODEL_FILE} or {_WEIGHTS_FILE} file, or the "
                "directory of a run"
            )
    except FileNotFoundError:
        raise UserError(
            f"model.weights is {path}, but there is no {file}; give a .keras or .weights.h5 file, "
            "or the directory of a run that has ended"
        ) from None
    except _Misfit as problem:
        raise UserError(
            f"model.weights is {path}, whose weights do not fit the model ({problem}); give those "
            "of the same model"
        ) from None
    except UserError:
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or reason_of(error)
        raise UserError(
            f"model.weights is {path}, which cannot be loaded ({reason:.200}); give a file that "
            "Keras has written of the same model"
        ) from error


class _Misfit(Exception):
    """Weights are those of another model; the message says how they differ."""


def _load_from_model(model: Any, file: Path) -> None:
    """Gives a model the weights of a model in a .keras file."""

    def load() -> tuple[Sequence[Any], Sequence[np.ndarray]]:
        import keras

        # Here variables get the values in the file and no initial ones, so a file cannot have
        # large ones made.
        with keras.StatelessScope(initialize_variables=False) as scope:
            stored = keras.saving.load_model(file, compile=False)
            variables, stored_variables = _in_one_order(model, stored)
            problem = misfit(variables, stored_variables)
            if problem:
                raise _Misfit(problem)
            values = [scope.get_current_value(variable) for variable in stored_variables]
        if any(value is None for value in values):
            raise ValueError("it lacks values of some weights")
        return variables, [value.numpy() for value in values]

    try:
        # Keras keeps a list of the variables without a value for each thread, and would give them
        # one in the next such scope.
        with ThreadPoolExecutor(1) as thread:
            variables, values = thread.submit(load).result()
    except _Misfit:
        raise
    except Exception:
        if _is_of_keras_core(model):
            raise
        # Such as layers that make variables of arrays, which is not possible there; or of classes
        # that Keras does not know. Of a model that is built alike only the weights are needed.
        model.load_weights(str(file))
        return
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _in_one_order(model: Any, stored: Any) -> tuple[Sequence[Any], Sequence[Any]]:
    """Returns the weights of both models; of a model exported from a run, those of its network."""
    if _is_of_keras_core(model):
        inner = stored.layers[-1]
        return model_weights(model), model_weights(inner if hasattr(inner, "layers") else stored)
    # By layer, whichever of them are trainable.
    return model.weights, stored.weights


def _is_of_keras_core(model: Any) -> bool:
    return type(model).__module__.startswith("keras_core")
