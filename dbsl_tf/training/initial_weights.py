"""Weights that a run begins with, out of files of Keras and of other runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dbsl_tf.common.errors import UserError
from dbsl_tf.models.variables import misfit, model_weights
from dbsl_tf.results.run_directory import RunDirectory

_WEIGHTS_FILE = ".weights.h5"
_MODEL_FILE = ".keras"


def load_initial_weights(model: Any, path: Path) -> None:
    """Gives a model the weights in a file of Keras, or those of a run of the same model.

    Args:
        model: of Keras 3 or keras-core.
        path: a model (.keras), its weights (.weights.h5), or the directory of a run, whose
            model.keras counts.

    Raises:
        UserError: they cannot be read, or are of another model.
    """
    file = RunDirectory(path).model if path.is_dir() else path
    if not file.is_file():
        raise UserError(
            f"model.weights is {path}, but there is no {file}; give a .keras or .weights.h5 file, "
            "or the directory of a run that has ended"
        )
    try:
        if file.name.endswith(_WEIGHTS_FILE):
            model.load_weights(str(file))
            return
        if file.suffix != _MODEL_FILE:
            raise UserError(
                f"model.weights is {path}; give a {_MODEL_FILE} or {_WEIGHTS_FILE} file, or the "
                "directory of a run"
            )
        # Imported here because most runs begin with fresh weights.
        import keras

        stored = keras.saving.load_model(file, compile=False)
    except UserError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"model.weights is {path}, which cannot be loaded ({reason})") from error
    variables, values = _in_one_order(model, stored)
    problem = misfit(variables, values)
    if problem:
        raise UserError(
            f"model.weights is {path}, whose weights do not fit the model ({problem}); give those "
            "of the same model"
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value.numpy())


def _in_one_order(model: Any, stored: Any) -> tuple[Sequence[Any], Sequence[Any]]:
    """Returns the weights of both models; of a model exported from a run, those of its network."""
    if type(model).__module__.startswith("keras_core"):
        inner = stored.layers[-1]
        return model_weights(model), model_weights(inner if hasattr(inner, "layers") else stored)
    # By layer, whichever of them are trainable.
    return model.weights, stored.weights
