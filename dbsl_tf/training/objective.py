"""What training minimises, and what is measured: sums over samples, whoever adds them up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.data.sample_weights import labels_of, weights_of

LossFunction = Callable[[Any, Any], tf.Tensor]
ACCURACY = "accuracy"


class Sums(NamedTuple):
    """What a number of samples add up to."""

    loss: tf.Tensor  # float32 scalar
    samples: tf.Tensor  # int64 scalar
    metrics: tuple[tf.Tensor, ...]  # of all metrics of an objective, one after another


class SummedMetric(Protocol):
    """A metric whose value follows from sums over samples.

    Attributes:
        name: unique in an objective.
        is_accuracy: whether the value is the share of samples classified correctly.
        parts: number of tensors that its sums are.
    """

    name: str
    is_accuracy: bool
    parts: int

    def zero(self) -> tuple[tf.Tensor, ...]:
        """Returns the sums over no samples, int64 or float64, of any shapes."""

    def of_batch(self, y: Any, prediction: Any) -> tuple[tf.Tensor, ...]:
        """Returns the sums over one batch."""

    def value(self, sums: Sequence[np.ndarray], samples: int) -> float:
        """Returns what the sums over so many samples come to; no TensorFlow that may wait."""


@dataclass(frozen=True)
class Measured:
    """What an objective says of a number of samples.

    Attributes:
        loss: the mean.
        accuracy: share of samples classified correctly, 0 to 1: the metric called accuracy, else
            the first of Keras's …Accuracy metrics that count samples; None where there is none.
        metrics: all metrics but that called accuracy, by name; None where the value is not a
            finite number.
    """

    loss: float
    accuracy: float | None
    metrics: dict[str, float | None]


class Accuracy:
    """Share of samples classified correctly, exactly: the hits are counted as integers.

    Predictions are [batch, classes]; the class of the highest is the predicted one. The labels are
    one-hot, [batch, classes], or numbers of classes, [batch] or [batch, 1].
    """

    name = ACCURACY
    is_accuracy = True
    parts = 1

    def zero(self) -> tuple[tf.Tensor, ...]:
        return (tf.constant(0, tf.int64),)

    def of_batch(self, y: tf.Tensor, prediction: tf.Tensor) -> tuple[tf.Tensor, ...]:
        shape = _shape(prediction)
        labels = _shape(y)
        if shape is None or len(shape) != 2 or shape[1] == 1:
            raise UserError(
                f"accuracy needs predictions of shape [batch, classes], but the model gives "
                f"{tensor_text(prediction)}; set training.metrics to others, such as BinaryAccuracy"
            )
        if labels is not None and len(labels) == 2 and labels[1] == shape[1]:
            classes = tf.argmax(y, axis=-1)
        elif labels is not None and (len(labels) == 1 or labels[1:] == [1]):
            classes = tf.cast(tf.reshape(y, [-1]), tf.int64)
        else:
            raise UserError(
                f"accuracy needs labels of shape [batch, {shape[1]}] or [batch], but y is "
                f"{tensor_text(y)}; set training.metrics to others"
            )
        return (tf.math.count_nonzero(tf.argmax(prediction, axis=-1) == classes),)

    def value(self, sums: Sequence[np.ndarray], samples: int) -> float:
        return int(sums[0]) / samples


class MeanMetric:
    """The mean of a function over samples.

    Args:
        name: of the metric.
        function: of y and prediction, to [batch] or more dimensions, whose mean counts.
    """

    parts = 1

    def __init__(self, name: str, function: LossFunction) -> None:
        self.name = name
        self.is_accuracy = name == ACCURACY
        self._function = function

    def zero(self) -> tuple[tf.Tensor, ...]:
        return (tf.constant(0.0, tf.float64),)

    def of_batch(self, y: Any, prediction: Any) -> tuple[tf.Tensor, ...]:
        values = per_sample(self._function(*aligned(y, prediction)), f"metric {self.name}")
        return (tf.reduce_sum(tf.cast(values, tf.float64)),)

    def value(self, sums: Sequence[np.ndarray], samples: int) -> float:
        return float(sums[0]) / samples


def one_hot_cross_entropy(y: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
    """Softmax cross-entropy [batch] of one-hot labels and logits, both [batch, classes]."""
    expected, given = _shape(prediction), _shape(y)
    if expected is None or given is None or len(expected) != 2 or given[1:] != expected[1:]:
        raise UserError(
            f"y is {tensor_text(y)} and the model gives {tensor_text(prediction)}, but the default "
            "loss needs one-hot labels and logits, both [batch, classes]; set training.loss, for "
            "numbers of classes to SparseCategoricalCrossentropy with "
            "training.loss_options={from_logits: true}"
        )
    return tf.nn.softmax_cross_entropy_with_logits(y, prediction)


class Objective:
    """What a training step minimises and what is measured beside it, in graph code.

    Args:
        loss: function of y and prediction, to [batch]; more dimensions are averaged over.
        metrics: of different names.
    """

    def __init__(
        self,
        loss: LossFunction = one_hot_cross_entropy,
        metrics: Sequence[SummedMetric] = (Accuracy(),),
    ) -> None:
        self._loss = loss
        self.metrics = tuple(metrics)

    def losses(self, y: Any, prediction: Any, own: Sequence[tf.Tensor] = ()) -> tf.Tensor:
        """Returns the loss of each sample, float32 [batch].

        Args:
            y: labels or targets; a tensor or a structure of them, [batch, …], or with the weights
                by which the losses are multiplied, `WeightedLabels`.
            prediction: what the model gives for x, likewise.
            own: losses of the model's own, scalars, that are added to that of every sample: so
                they count in the mean as they are, as in Keras.

        Raises:
            UserError: the loss does not fit them.
        """
        losses = self._loss(*aligned(labels_of(y), in_full_precision(prediction)))
        losses = per_sample(losses, "the loss", weights_of(y))
        for scalar in own:
            losses += tf.cast(scalar, losses.dtype)
        return losses

    def zero(self) -> Sums:
        """Returns the sums over no samples."""
        metrics = tuple(part for metric in self.metrics for part in metric.zero())
        return Sums(tf.constant(0.0), tf.constant(0, tf.int64), metrics)

    def add(self, sums: Sums, losses: tf.Tensor, y: Any, prediction: Any) -> Sums:
        """Returns `sums` and those of a batch.

        Args:
            sums: so far.
            losses: of the batch, from `losses`.
            y, prediction: see `losses`.
        """
        labels, prediction = labels_of(y), in_full_precision(prediction)
        batch = [part for metric in self.metrics for part in metric.of_batch(labels, prediction)]
        return Sums(
            sums.loss + tf.reduce_sum(losses),
            sums.samples + tf.shape(losses, out_type=tf.int64)[0],
            tuple(so_far + part for so_far, part in zip(sums.metrics, batch, strict=True)),
        )

    def measured(self, parts: Sequence[Sums]) -> Measured:
        """Returns what sums over at least one sample come to; numpy values, not tensors.

        Args:
            parts: to add up, each sample being in one of them.
        """
        samples = sum(int(part.samples) for part in parts)
        totals = [np.sum(states, axis=0) for states in zip(*(part.metrics for part in parts))]
        values: dict[str, float] = {}
        accuracies: dict[str, float] = {}
        for metric in self.metrics:
            value = metric.value(totals[: metric.parts], samples)
            totals = totals[metric.parts :]
            values[metric.name] = value
            if metric.is_accuracy:
                accuracies[metric.name] = value
        first = next(iter(accuracies.values()), None)
        return Measured(
            loss=sum(float(part.loss) for part in parts) / samples,
            accuracy=accuracies.get(ACCURACY, first),
            metrics={
                name: value if np.isfinite(value) else None
                for name, value in values.items()
                if name != ACCURACY
            },
        )


def aligned(y: Any, prediction: Any) -> tuple[Any, Any]:
    """Returns labels and predictions, [batch] as [batch, 1] where the others have this shape.

    Their difference would have the shape [batch, batch]. Structures are returned as they are.
    """
    one, other = ((_shape(values) or [None, None])[1:] for values in (y, prediction))
    if (one, other) == ([], [1]):
        return y[:, tf.newaxis], prediction
    if (one, other) == ([1], []):
        return y, prediction[:, tf.newaxis]
    return y, prediction


def in_full_precision(prediction: Any) -> Any:
    """Returns predictions of 16 bits as float32; others as they are."""
    return tf.nest.map_structure(
        lambda p: tf.cast(p, tf.float32) if p.dtype in (tf.float16, tf.bfloat16) else p, prediction
    )


def per_sample(values: Any, what: str, weights: tf.Tensor | None = None) -> tf.Tensor:
    """Returns one value for each sample, float32 [batch]: the mean of all that there are of it.

    Args:
        values: numbers of shape [batch, …].
        what: gave them, for messages.
        weights: they are multiplied by before; see `_weighted`.

    Raises:
        UserError: they are something else, or do not go with the weights.
    """
    try:
        values = tf.convert_to_tensor(values)
    except (TypeError, ValueError):
        raise UserError(
            f"{what} gives {type(values).__name__} for a batch; return a tensor of shape [batch]"
        ) from None
    if not values.shape.rank or not (values.dtype.is_floating or values.dtype.is_integer):
        raise UserError(
            f"{what} gives {tensor_text(values)} for a batch; return one number for each sample, "
            "[batch], and not their mean"
        )
    values = tf.cast(values, tf.float32)
    if weights is not None:
        values = _weighted(values, weights)
    return values if values.shape.rank == 1 else tf.reduce_mean(values, range(1, values.shape.rank))


def _weighted(losses: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Returns losses [batch, …] times weights, whose dimensions are the first ones of the losses.

    Dimensions of 1 at the end of the weights stand for any size, or for none, as in Keras.

    Raises:
        UserError: the weights have other dimensions.
    """
    given = weights = tf.convert_to_tensor(weights)
    while weights.shape.rank > 1 and weights.shape[-1] == 1:
        weights = tf.squeeze(weights, -1)
    if not losses.shape[: weights.shape.rank].is_compatible_with(weights.shape):
        raise UserError(
            f"the weights of samples are {tensor_text(given)}, but the loss gives "
            f"{tensor_text(losses)}; give one weight for each sample, [batch]"
        )
    while weights.shape.rank < losses.shape.rank:
        weights = weights[..., tf.newaxis]
    return losses * tf.cast(weights, tf.float32)


def tensor_text(tensor: Any) -> str:
    """Returns type and shape of a tensor, or of each of a structure of them."""
    tensors = tf.nest.flatten(tensor)
    if len(tensors) != 1:
        return ", ".join(map(tensor_text, tensors)) or "nothing"
    shape = tensors[0].shape
    sizes = "unknown" if shape.rank is None else [s or "batch" for s in shape[:1]] + [*shape[1:]]
    return f"{tensors[0].dtype.name} {sizes}".replace("'", "").replace("None", "?")


def _shape(tensor: Any) -> list[int | None] | None:
    """Returns the shape; None where it is not known, or there are several tensors."""
    shape = tf.TensorShape(getattr(tensor, "shape", None))
    return None if shape.rank is None else shape.as_list()
