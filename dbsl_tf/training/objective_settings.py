"""A loss and metrics as a user gives them, and how an `Objective` is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from dbsl_tf.common.errors import UserError
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


@dataclass(frozen=True)
class ObjectiveSettings:
    """A loss and metrics. They hold no tensors or variables, and can be pickled.

    Attributes:
        loss: a loss of Keras 3 or keras-core, or a function of y and prediction to one number for
            each sample, [batch]; where there are more dimensions, their mean counts. The
            reduction of a Keras loss is of no importance: a step always minimises the mean over
            its batch. None: softmax cross-entropy of one-hot labels and logits.
        metrics: each a metric of Keras, the name "accuracy" (see `Accuracy`), or a function like a
            loss. None: the accuracy with the default loss, else none.

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
        if is_loss(loss):
            loss = KerasLoss(_object(loss, "loss"))
        elif loss is not None and not callable(loss):
            raise UserError(
                f"loss is {loss!r:.60}; give a loss of Keras or a function (y, prediction) -> "
                "[batch]"
            )
        metrics = self.metrics
        if isinstance(metrics, str) or not isinstance(metrics, Sequence | None):
            raise UserError(f"metrics is {metrics!r:.60}; give a list of metrics")
        object.__setattr__(self, "loss", loss)
        object.__setattr__(self, "metrics", metrics and tuple(map(_settings_of_metric, metrics)))

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
        objective = Objective(
            self.loss or one_hot_cross_entropy, self._built_metrics(y, prediction)
        )
        if not self.is_default:
            _check(objective, y, prediction)
        return objective

    def _built_metrics(self, y: Any, prediction: Any) -> list[SummedMetric]:
        if self.metrics is None:
            return [Accuracy()] if self.loss is None else []
        metrics: list[SummedMetric] = []
        for given in self.metrics:
            if given == ACCURACY:
                metrics.append(Accuracy())
            elif isinstance(given, KerasMetricSettings):
                metrics.append(KerasMetric(given.make(), y, prediction))
            else:
                metrics.append(MeanMetric(name_of(given), given))
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


def _settings_of_metric(metric: Any) -> Any:
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

    try:
        tf.function(trace, autograph=False).get_concrete_function(y, prediction)
    except UserError:
        raise
    except Exception as error:  # Whatever a loss of the user's raises.
        text = " ".join(str(error).split())
        raise UserError(
            f"the loss does not fit the labels, {tensor_text(y)}, and the predictions, "
            f"{tensor_text(prediction)} ({type(error).__name__}: {text:.200}); give another one"
        ) from error
