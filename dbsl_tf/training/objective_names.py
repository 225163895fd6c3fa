"""The section `training` of the configuration as a loss and metrics."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import Any

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.import_path import (
    IMPORT_PATH,
    NotImportable,
    import_attribute,
    is_import_path,
)
from dbsl_tf.common.registry import OWN
from dbsl_tf.config.registries import OBJECTIVES
from dbsl_tf.config.training_sections import TrainingSection
from dbsl_tf.training.keras_losses import is_loss
from dbsl_tf.training.keras_metrics import KerasMetricSettings, is_metric
from dbsl_tf.training.objective import ACCURACY
from dbsl_tf.training.objective_settings import ObjectiveSettings

_NO_MEASURES = ("deserialize", "get", "serialize")
_ALIASES = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "bce": "binary_crossentropy",
}
# Where a word begins within the name of a class.
_WORDS = re.compile("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def objective_settings_of(section: TrainingSection) -> ObjectiveSettings:
    """Returns the loss and the metrics that a configuration names.

    Nothing is made that needs a cluster.

    Raises:
        UserError: a name is unknown, an import path leads nowhere, or options do not suit.
    """
    if section.loss == OWN:
        return OBJECTIVES.make(OWN)
    metrics = None
    if section.metrics is not None:
        metrics = [_metric(*item) for item in section.named_metrics]
    return ObjectiveSettings(_loss(section), metrics)


def _loss(section: TrainingSection) -> Any:
    if section.loss is None:
        return None
    import keras

    found = _found("training.loss", section.loss, keras.losses)
    options, key = section.loss_options, "training.loss_options"
    if is_loss(found):
        if not isinstance(found, type):
            _check_no_options(key, options, section.loss)
            return found
        return _call(found, options, key)
    _check_options(found, options, key, positional=2)
    return partial(found, **options) if options else found


def _metric(name: str, options: Mapping[str, Any]) -> Any:
    key = "training.metrics"
    if name == ACCURACY:
        _check_no_options(key, options, name)
        return ACCURACY
    import keras

    found = _found(key, name, keras.metrics)
    if is_metric(found):
        if not isinstance(found, type):
            raise UserError(
                f"{key} has {name!r}, which is an object that holds variables; name its class, "
                "with its arguments as options"
            )
        _check_options(found, options, key, positional=0)
        return KerasMetricSettings(found, _named(found, options))
    _check_options(found, options, key, positional=2)
    return partial(found, **options) if options else found


def _found(key: str, name: str, module: ModuleType) -> Callable[..., Any]:
    """Returns what Keras calls so, or what is found at an import path."""
    if is_import_path(name):
        try:
            found = import_attribute(name)
        except NotImportable as error:
            raise UserError(f"{key} has {name!r}; {error}") from error
        if not callable(found):
            raise UserError(
                f"{key} has {name!r}, which is of type {type(found).__name__}; name a class of "
                "Keras or a function (y, prediction) -> [batch]"
            )
        return found
    known = _known(module)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise UserError(
            f"{key} has {name!r}; give a name in {module.__name__.replace('._tf_keras', '')}, or "
            f"an import path {IMPORT_PATH}{hint}"
        )
    return known[name]


def _known(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """Returns what Keras has, by all names that Keras itself takes: AUC is auc, too."""
    public = {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and name not in _NO_MEASURES and callable(value)
    }
    classes = {_snake_case(name): kind for name, kind in public.items() if isinstance(kind, type)}
    short = {alias: public[name] for alias, name in _ALIASES.items() if name in public}
    return {**short, **classes, **public}


def _snake_case(name: str) -> str:
    return _WORDS.sub("_", name).lower()


def _call(function: Callable[..., Any], options: Mapping[str, Any], key: str) -> Any:
    try:
        return function(**options)
    except (TypeError, ValueError) as error:
        text = " ".join(str(error).split())
        raise UserError(
            f"{key} is {dict(options)}, which {function.__name__} does not take ({text:.200}); "
            "give its keyword arguments"
        ) from error


def _check_options(
    function: Callable[..., Any], options: Mapping[str, Any], key: str, positional: int
) -> None:
    """Checks that keyword arguments are known; what they may be is seen when they are used."""
    try:
        inspect.signature(function).bind(*[None] * positional, **options)
    except TypeError as error:
        name = getattr(function, "__name__", type(function).__name__)
        raise UserError(
            f"{key} has the options {dict(options)}, which {name} does not take ({error}); give "
            "its keyword arguments"
        ) from error
    except ValueError:  # A function without a signature, which is written in C.
        return


def _check_no_options(key: str, options: Mapping[str, Any], name: str) -> None:
    if options:
        raise UserError(f"{key} has options {dict(options)}, but {name} takes none; remove them")


def _named(kind: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options with a name where Keras would number those of a class: auc, auc_1, …"""
    parameter = inspect.signature(kind).parameters.get("name")
    if parameter is None or parameter.default is not None:
        return dict(options)
    return {"name": _snake_case(kind.__name__), **options}
