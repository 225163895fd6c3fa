"""Metrics of Keras 3 and keras-core as sums over samples."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.training.keras_classes import has_base
from dbsl_tf.training.local_function import LocalFunction
from dbsl_tf.training.objective import ACCURACY

# Whose result is the share of samples classified correctly.
_ACCURACIES = (
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "SparseCategoricalAccuracy",
)
# Of the batches by which it is seen whether states add up.
_BATCHES = (3, 2)
_UNKNOWN_SIZE = 2


class KerasMetricSettings:
    """A metric that is yet to be made; holds no variables, and can be pickled.

    Args:
        class_: a subclass of Keras's `Metric`.
        config: what `class_.from_config` makes one from.
    """

    def __init__(self, class_: Any, config: Mapping[str, Any]) -> None:
        self._class = class_
        self._config = dict(config)

    @classmethod
    def of(cls, metric: Any) -> KerasMetricSettings:
        """Returns the settings of a metric.

        Raises:
            UserError: it does not tell them.
        """
        kind = type(metric)
        config = metric.get_config()
        if not kind.__module__.startswith(("keras.", "keras_core.")):
            known = {"self", "name", "dtype", *config}
            parameters = inspect.signature(kind.__init__).parameters.values()
            named = [p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
            missing = [name for name in named if name not in known]
            if missing:
                raise UserError(
                    f"metric {metric.name}: get_config of {kind.__name__} leaves out "
                    f"{', '.join(missing)}; have it return all arguments of the constructor"
                )
        return cls(kind, config)

    def make(self) -> Any:
        """Returns a new metric of Keras.

        Raises:
            UserError: Keras refuses the configuration.
        """
        try:
            return self._class.from_config(dict(self._config))
        except Exception as error:  # Whatever a class of the user's raises.
            text = " ".join(str(error).split())
            raise UserError(
                f"metric {self._class.__name__} with {self._config} cannot be made ({text}); give "
                "other options"
            ) from error


class KerasMetric:
    """A metric of Keras by its stateless form. Its variables must be sums over samples.

    Args:
        metric: of Keras 3 or keras-core; used by nobody else.
        y, prediction: `tf.TensorSpec`s of a batch, or structures of them.

    Raises:
        UserError: the metric does not fit them, its variables are not sums, or its result is not
            one number.
    """

    def __init__(self, metric: Any, y: Any, prediction: Any) -> None:
        self.name = str(metric.name)
        self.is_accuracy = ACCURACY == self.name or type(metric).__name__ in _ACCURACIES
        self._metric = metric
        try:
            # Some make their variables when they first see a batch.
            metric.update_state(*map(_to_tensors, _examples(y, prediction, _BATCHES[0])))
            metric.reset_state()
            variables = list(metric.variables)
            self._initial = [np.asarray(variable.numpy()) for variable in variables]
            self.parts = len(variables)
            self._result = LocalFunction(
                lambda *state: _result(metric, state),
                [tf.TensorSpec(array.shape, array.dtype) for array in self._initial],
            )
            update = _update(metric, self._initial, y, prediction)
        except UserError:
            raise
        except Exception as error:  # Whatever a metric raises for shapes that do not suit it.
            text = " ".join(str(error).split())
            raise UserError(
                f"metric {self.name} does not fit the labels and predictions ({text:.200}); give "
                "another one"
            ) from error
        problem = _aggregation_problem(variables) or _problem(update, self._initial, y, prediction)
        if problem:
            raise UserError(
                f"metric {self.name} cannot be added up over workers ({problem}); leave it out, or "
                "give one whose variables are sums over samples"
            )
        outputs = self._result.output_specs
        if len(outputs) != 1 or outputs[0].shape.rank != 0:
            raise UserError(
                f"metric {self.name} gives {', '.join(str(o.shape) for o in outputs)} instead of "
                "one number; have it average, or leave it out"
            )

    def zero(self) -> tuple[tf.Tensor, ...]:
        return tuple(tf.zeros(array.shape, _wide(array)) for array in self._initial)

    def of_batch(self, y: Any, prediction: Any) -> tuple[tf.Tensor, ...]:
        initial = [tf.constant(array) for array in self._initial]
        after = self._metric.stateless_update_state(initial, y, prediction)
        return tuple(
            tf.cast(new, _wide(old)) - old.astype(_wide(old).as_numpy_dtype)
            for new, old in zip(after, self._initial, strict=True)
        )

    def value(self, sums: Sequence[np.ndarray], samples: int) -> float:
        state = [
            (old + total).astype(old.dtype) for total, old in zip(sums, self._initial, strict=True)
        ]
        (result,) = self._result(*state)
        return float(result)


def _wide(array: np.ndarray) -> tf.DType:
    """Returns the type in which states are added up: counts stay exact."""
    return tf.float64 if np.issubdtype(array.dtype, np.floating) else tf.int64


def _result(metric: Any, state: Sequence[tf.Tensor]) -> Any:
    result = metric.stateless_result(list(state))
    # Some return a variable as it is.
    for variable, value in zip(metric.variables, state):
        if result is variable:
            return value
    return result


def _update(metric: Any, initial: Sequence[np.ndarray], y: Any, prediction: Any) -> LocalFunction:
    """Returns a function of state, y and prediction, all flat, to the state after the batch."""
    states = [tf.TensorSpec(array.shape, array.dtype) for array in initial]
    labels = len(tf.nest.flatten(y))

    def update(*tensors: tf.Tensor) -> list[tf.Tensor]:
        state, batch = tensors[: len(states)], tensors[len(states) :]
        return metric.stateless_update_state(
            list(state),
            tf.nest.pack_sequence_as(y, batch[:labels]),
            tf.nest.pack_sequence_as(prediction, batch[labels:]),
        )

    return LocalFunction(update, [*states, *tf.nest.flatten(y), *tf.nest.flatten(prediction)])


def _aggregation_problem(variables: Sequence[Any]) -> str:
    """Returns which of the variables Keras itself would not add up; empty: none."""
    for variable in variables:
        aggregation = getattr(variable, "aggregation", None)
        if aggregation in ("mean", "only_first_replica"):
            return f"its variable {variable.name} has the aggregation {aggregation}"
    return ""


def _problem(update: LocalFunction, initial: Sequence[np.ndarray], y: Any, prediction: Any) -> str:
    """Returns why the states of two batches do not add up to that of both; empty: they do."""
    if not initial:
        return "it has no variables"
    if not all(np.isfinite(array).all() for array in initial):
        return "it does not begin with finite numbers"
    first, second = (
        [*map(np.asarray, tf.nest.flatten(_examples(y, prediction, batch)))] for batch in _BATCHES
    )
    after_first = update(*initial, *first)
    after_both = update(*after_first, *second)
    after_second = update(*initial, *second)
    for start, one, other, both in zip(initial, after_first, after_second, after_both):
        expected = one.astype(np.float64) - start + other
        if not np.allclose(both, expected, rtol=1e-4, atol=1e-5, equal_nan=True):
            return "the states of two batches do not add up to that of both"
    return ""


def _examples(y: Any, prediction: Any, batch: int) -> tuple[Any, Any]:
    """Returns labels and predictions of these shapes: labels 0 or 1, predictions between."""
    random = np.random.default_rng(batch)

    def sizes(spec: tf.TensorSpec) -> list[int]:
        return [batch, *(size or _UNKNOWN_SIZE for size in spec.shape[1:])]

    def label(spec: tf.TensorSpec) -> np.ndarray:
        return random.integers(2, size=sizes(spec)).astype(spec.dtype.as_numpy_dtype)

    def guess(spec: tf.TensorSpec) -> np.ndarray:
        return random.uniform(0.1, 0.9, sizes(spec)).astype(spec.dtype.as_numpy_dtype)

    return tf.nest.map_structure(label, y), tf.nest.map_structure(guess, prediction)


def _to_tensors(arrays: Any) -> Any:
    return tf.nest.map_structure(tf.constant, arrays)


def is_metric(value: Any) -> bool:
    """Whether it is a metric of Keras 3 or keras-core, or a class of them."""
    return has_base(value, "Metric")
