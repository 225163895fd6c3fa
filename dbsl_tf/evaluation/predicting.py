"""Evaluates a network on the test set of its run, in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from dbsl_tf.common.cores import available_cores
from dbsl_tf.data.training_data import TrainingData, known_classes
from dbsl_tf.evaluation.scores import Scores
from dbsl_tf.models import check_weights_fit
from dbsl_tf.resolved import RunSettings
from dbsl_tf.training.building import build_network
from dbsl_tf.training.network import Network

_MOST_LIKELY = 5


def evaluate_on_test_set(
    settings: RunSettings,
    data: TrainingData,
    weights: Sequence[np.ndarray],
    report: Callable[[int], None],
) -> Scores:
    """Evaluates weights as the run does: at its highest resolution, in its precision.

    Args:
        settings: the run's settings.
        data: the data set; each of its test images is used once.
        weights: the weights, in the network's order.
        report: called after every batch with the number of images done so far.

    Raises:
        UserError: the weights do not fit the network.
    """
    highest, classes = settings.highest, known_classes(data, "evaluate")
    network = build_network(settings, data, highest.dropout)
    check_weights_fit(network.initial_weights(), weights)
    batches = data.test_batches(
        start=0,
        stop=data.test_samples,
        batch=min(highest.large_batch, data.test_samples),
        resolution=highest.resolution,
        parallel_calls=len(available_cores()),
    )
    score = _scoring(network, weights, data.element_spec(highest.resolution), classes)
    loss, top5 = 0.0, 0
    confusion = np.zeros((classes, classes), np.int64)
    for images, labels in batches:
        batch_loss, batch_top5, batch_confusion = score(images, labels)
        loss += float(batch_loss)
        top5 += int(batch_top5)
        confusion += batch_confusion.numpy()
        report(int(confusion.sum()))
    return Scores(data.class_names, loss / int(confusion.sum()), top5, confusion)


def _scoring(
    network: Network, weights: Sequence[np.ndarray], spec: tuple[Any, Any], classes: int
) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
    """Returns a function from a batch to its total loss, top-5 hits and confusions."""
    tensors = [tf.constant(array) for array in weights]
    fixed = [tf.constant(array) for array in network.fixed_weights]

    # Traced once for any batch size; AutoGraph would take four times as long.
    @tf.function(autograph=False, input_signature=spec)
    def score(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        logits = network.with_fixed(fixed).predict(tensors, images)
        losses = tf.nn.softmax_cross_entropy_with_logits(labels, logits)
        truth = tf.argmax(labels, axis=-1)
        confusion = tf.math.confusion_matrix(
            truth, tf.argmax(logits, axis=-1), classes, dtype=tf.int64
        )
        top5 = tf.math.in_top_k(truth, logits, min(_MOST_LIKELY, classes))
        return tf.reduce_sum(losses), tf.math.count_nonzero(top5), confusion

    return score
