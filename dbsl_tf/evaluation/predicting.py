"""Evaluates a network on the test set of its run, in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from dbsl_tf.common.cores import core_count
from dbsl_tf.data.training_data import Share, TrainingData
from dbsl_tf.evaluation.scores import ClassScores, Scores
from dbsl_tf.models import check_weights_fit
from dbsl_tf.resolved import RunSettings
from dbsl_tf.training.building import build_network
from dbsl_tf.training.objective import ACCURACY, Sums
from dbsl_tf.training.objective_names import objective_settings_of

_MOST_LIKELY = 5


def evaluate_on_test_set(
    settings: RunSettings,
    data: TrainingData,
    weights: Sequence[np.ndarray],
    report: Callable[[int], None],
) -> ClassScores | Scores:
    """Evaluates weights as the run does: at its highest resolution, in its precision.

    Args:
        settings: the run's settings.
        data: the data set; each of its test samples is used once.
        weights: the weights, in the network's order.
        report: called after every batch with the number of samples done so far.

    Returns:
        The scores of classes if the data have some.

    Raises:
        UserError: the weights do not fit the network, or loss and metrics cannot be found.
    """
    highest = settings.highest
    network = build_network(settings, data, highest.dropout)
    check_weights_fit(network.initial_weights(), weights)
    share = Share(
        start=0,
        stop=data.test_samples,
        batch=min(highest.large_batch, data.test_samples),
        parallel_calls=core_count(),
    )
    batches = data.test_batches(share, highest.resolution)
    x, y = data.element_spec(highest.resolution)
    objective = objective_settings_of(settings.training).build_for(network, x, y)
    tensors = [tf.constant(array) for array in weights]
    fixed = [tf.constant(array) for array in network.fixed_weights]
    classes = len(data.class_names)

    # Traced once for any batch size; AutoGraph would take four times as long.
    @tf.function(autograph=False, input_signature=[x, y])
    def score(x: Any, y: Any) -> tuple[Sums, tuple[tf.Tensor, ...]]:
        prediction, own_losses = network.with_fixed(fixed).predict_with_losses(tensors, x)
        losses = objective.losses(y, prediction, own_losses)
        sums = objective.add(objective.zero(), losses, y, prediction)
        return sums, _class_sums(y, prediction, classes) if classes else ()

    parts: list[Sums] = []
    of_classes = []
    done = 0
    for batch in batches:
        sums, (*counts,) = tf.nest.map_structure(lambda tensor: tensor.numpy(), score(*batch))
        parts.append(sums)
        of_classes.append(counts)
        done += int(sums.samples)
        report(done)
    measured = objective.measured(parts)
    if not classes:
        metrics = {} if measured.accuracy is None else {ACCURACY: measured.accuracy}
        return Scores(done, measured.loss, {**metrics, **measured.metrics})
    top5, confusion = (np.sum(counts, axis=0) for counts in zip(*of_classes))
    return ClassScores(data.class_names, measured.loss, int(top5), confusion, measured.metrics)


def _class_sums(
    labels: tf.Tensor, prediction: tf.Tensor, classes: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns top-5 hits and confusions of one-hot labels and predictions [batch, classes]."""
    truth = tf.argmax(labels, axis=-1)
    confusion = tf.math.confusion_matrix(
        truth, tf.argmax(prediction, axis=-1), classes, dtype=tf.int64
    )
    top5 = tf.math.in_top_k(truth, prediction, min(_MOST_LIKELY, classes))
    return tf.math.count_nonzero(top5), confusion
