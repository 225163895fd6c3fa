"""A loss and metrics as a user gives them, and how an `Objective` is made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.data.sample_weights import labels_of
from dbsl_tf.training.keras_losses import KerasLoss, is_loss
from dbsl_tf.training.keras_metrics import KerasMetric, KerasMetricSettings, is_metric
from dbsl_tf.training.network import Network
from dbsl_tf.training.objective import (
    ACCURACY,
    Accuracy,
    LossFunction,
    MeanMetric,
    Objective,
    SummedMetric,
    one_hot_cross_entropy,
    tensor_text,
)
from dbsl_tf.training.outputs import LossOfOutputs, MetricOfOutput, OfOutput

# Seldom the size of anything else, and whole pairs, triples and so on to 8 samples each.
_BATCH = 840


@dataclass(frozen=True)
class ObjectiveSettings:
    """A loss and metrics. They hold no tensors or variables, and can be pickled.

    Attributes:
        loss: a loss of Keras 3 or keras-core, or a function of y and prediction to one number for
            each sample, [batch]; where there are more dimensions, their mean counts. The
            reduction of a Keras loss is of no importance: a step always minimises the mean over
            its batch. A dict has one for each output of a model whose predictions and labels are
            dicts, and their sum is minimised. None: softmax cross-entropy of one-hot labels and
            logits.
        metrics: each a metric of Keras, the name "accuracy" (see `Accuracy`), or a function like a
            loss. A dict has those of each output, whose names begin with that of the output. None:
            the accuracy with the default loss, else none.

    Example:
        >>> import keras
        >>> settings = ObjectiveSettings(
        ...     keras.losses.MeanSquaredError(), [keras.metrics.RootMeanSquaredError()]
        ... )
        >>> targets = tf.TensorSpec([None, 1])
        >>> [metric.name for metric in settings.build(targets, targets).metrics]
        ['root_mean_squared_error']

    Raises:
        UserError: something else is given.
    """

    loss: Any = None
    metrics: Sequence[Any] | None = None

    def __post_init__(self) -> None:
        loss = self.loss
        if isinstance(loss, Mapping):
            loss = LossOfOutputs({key: _function_of_loss(each) for key, each in loss.items()})
        elif loss is not None:
            loss = _function_of_loss(loss)
        object.__setattr__(self, "loss", loss)
        if self.metrics is not None:
            object.__setattr__(self, "metrics", _settings_of_metrics(self.metrics))

    @property
    def is_default(self) -> bool:
        """Whether it is cross-entropy and accuracy alone."""
        return self.loss is None and self.metrics is None

    def build_for(self, network: Network, x: Any, y: Any) -> Objective:
        """Returns the objective for what a network predicts.

        Args:
            network: which is traced unless the settings are the default.
            x, y: `tf.TensorSpec`s of a batch, see `build`.

        Raises:
            UserError: as `build`.
        """
        # The default is checked where the closures are traced.
        return self.build(y, None if self.is_default else network.prediction_spec(x))

    def build(self, y: Any, prediction: Any) -> Objective:
        """Returns the objective, having checked that it fits what it is used for.

        Makes variables, so a cluster must be connected before.

        Args:
            y, prediction: `tf.TensorSpec`s of a batch, whose first size is None, or structures of
                them.

        Raises:
            UserError: the loss or a metric does not fit them.
        """
        metrics = self._built_metrics(labels_of(y), prediction)
        objective = Objective(self.loss or one_hot_cross_entropy, metrics)
        if not self.is_default:
            _check(objective, y, prediction)
        return objective

    def _built_metrics(self, y: Any, prediction: Any) -> list[SummedMetric]:
        if self.metrics is None:
            return [Accuracy()] if self.loss is None else []
        metrics: list[SummedMetric] = []
        for given in self.metrics:
            if isinstance(given, OfOutput):
                y_of_it, prediction_of_it = given.part(y, prediction)
                metric = _built_metric(given.of, y_of_it, prediction_of_it)
                metrics.append(MetricOfOutput(given.output, metric))
            else:
                metrics.append(_built_metric(given, y, prediction))
        names = [metric.name for metric in metrics]
        for name in names:
            if name == "loss" or names.count(name) > 1:
                raise UserError(
                    f"two measures are called {name}; give one of the metrics another name"
                )
        return metrics


def name_of(function: LossFunction) -> str:
    """Returns the name of a metric that is a function; that of what it is a partial call of."""
    function = getattr(function, "func", function)
    return str(getattr(function, "__name__", type(function).__name__))


def _function_of_loss(loss: Any) -> LossFunction:
    if isinstance(loss, str):
        loss = _named(loss, "loss", keras.losses.get)
    if is_loss(loss):
        return KerasLoss(_object(loss, "loss"))
    if not callable(loss):
        raise UserError(
            f"loss is {loss!r:.60}; give a loss of Keras, a function (y, prediction) -> [batch], "
            "or a dict of them, one for each output of the model"
        )
    return loss


def _settings_of_metrics(metrics: Any) -> tuple[Any, ...]:
    if isinstance(metrics, Mapping):
        return tuple(
            OfOutput(output, metric)
            for output, given in metrics.items()
            for metric in _settings_of_metrics(
                given if isinstance(given, Sequence) and not isinstance(given, str) else [given]
            )
        )
    if isinstance(metrics, str) or not isinstance(metrics, Sequence):
        raise UserError(
            f"metrics is {metrics!r:.60}; give a list of metrics, or a dict of such lists, one for "
            "each output of the model"
        )
    return tuple(map(_settings_of_metric, metrics))


def _built_metric(given: Any, y: Any, prediction: Any) -> SummedMetric:
    if given == ACCURACY:
        return Accuracy()
    if isinstance(given, KerasMetricSettings):
        return KerasMetric(given.make(), y, prediction)
    return MeanMetric(name_of(given), given)


def _named(name: str, what: str, get: Callable[[str], Any]) -> Any:
    """Returns what Keras knows by a name."""
    try:
        return get(name)
    except ValueError:
        raise UserError(
            f"{what} is {name!r}, which Keras does not know; give another name, or a {what} itself"
        ) from None


def _settings_of_metric(metric: Any) -> Any:
    if isinstance(metric, str) and metric != ACCURACY:
        metric = _named(metric, "metric", keras.metrics.get)
    if metric == ACCURACY or isinstance(metric, KerasMetricSettings):
        return metric
    if is_metric(metric):
        return KerasMetricSettings.of(_object(metric, "metric"))
    if callable(metric):
        return metric
    raise UserError(
        f"a metric is {metric!r:.60}; give a metric of Keras, {ACCURACY!r}, or a function "
        "(y, prediction) -> [batch]"
    )


def _object(value: Any, what: str) -> Any:
    """Returns a loss or metric; of a class, one without arguments."""
    if not isinstance(value, type):
        return value
    try:
        return value()
    except TypeError as error:
        raise UserError(f"{what} is the class {value.__name__}; give an object of it") from error


def _check(objective: Objective, y: Any, prediction: Any) -> None:
    """Traces an objective once.

    Raises:
        UserError: it does not fit labels and predictions.
    """

    def trace(y: Any, prediction: Any) -> None:
        floating = [p for p in tf.nest.flatten(prediction) if p.dtype.is_floating]
        with tf.GradientTape() as tape:
            tape.watch(floating)
            losses = objective.losses(y, prediction)
        if losses.shape[0] is not None:
            raise UserError(
                f"the loss gives {losses.shape[0]} numbers whatever the batch; return one number "
                "for each sample, [batch]"
            )
        if all(gradient is None for gradient in tape.gradient(losses, floating)):
            raise UserError("the loss does not depend on the predictions, or has no gradient")
        objective.add(objective.zero(), losses, y, prediction)

    @tf.function(autograph=False)
    def measure(y: Any, prediction: Any) -> None:
        objective.add(objective.zero(), objective.losses(y, prediction), y, prediction)

    try:
        tf.function(trace, autograph=False).get_concrete_function(y, prediction)
        # Shapes that do not go together are found where all sizes are known.
        measure.get_concrete_function(*(_with_batch(specs) for specs in (y, prediction)))
    except UserError:
        raise
    except Exception as error:  # Whatever a loss of the user's raises.
        text = " ".join(str(error).replace(str(_BATCH), "batch").split())
        raise UserError(
            f"the loss fails on labels of {tensor_text(labels_of(y))} and predictions of "
            f"{tensor_text(prediction)} ({type(error).__name__}: {text:.200}); it has to fit them"
        ) from error


def _with_batch(specs: Any) -> Any:
    """Returns the specs of a batch of a certain size."""
    return tf.nest.map_structure(
        lambda spec: tf.TensorSpec([_BATCH, *spec.shape[1:]], spec.dtype), specs
    )
