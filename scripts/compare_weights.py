"""Compares what could be evaluated of a run: its weights, their average, and fresh statistics.

    python -m scripts.compare_weights RUN [RUN ...] [--batches N]

For runs trained with `evaluation.average: ema` or `last`, whose checkpoints hold the average beside
the weights. Prints one line for each run: the test accuracy in percent of both, with the statistics
of batch normalisation that training has left and with those estimated from N training batches, as
with `evaluation.batch_norm_batches`. Nothing is trained.
"""

from __future__ import annotations

if not __package__:  # started by its path
    import by_path  # noqa: F401

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dbsl_tf.common.quiet import import_tensorflow_quietly
from dbsl_tf.data.training_data import TrainingData
from dbsl_tf.resolved import RunSettings
from dbsl_tf.results.stored_run import StoredRun

COLUMNS = ("weights", "weights, statistics", "average", "average, statistics")


def main(arguments: Sequence[str]) -> int:
    """Evaluates and prints; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--batches", type=int, default=50, metavar="N", help="default: 50")
    options = parser.parse_args(arguments)
    if options.batches < 1:
        parser.error(f"--batches is {options.batches}; give at least 1")
    import_tensorflow_quietly()
    print(f"{'run':40}", *(f"{name:>20}" for name in COLUMNS))
    for path in options.runs:
        accuracies = compare(StoredRun.read(path), options.batches)
        print(f"{path.name:40}", *(f"{100 * value:20.2f}" for value in accuracies), flush=True)
    return 0


def compare(stored: StoredRun, batches: int) -> list[float]:
    """Returns the test accuracies of the last checkpoint, in the order of COLUMNS."""
    from dbsl_tf.data.configured import training_data
    from dbsl_tf.evaluation.predicting import evaluate_on_test_set
    from dbsl_tf.evaluation.scores import ClassScores
    from dbsl_tf.resolved import settings_of

    checkpoint = stored.checkpoint(None)
    data = training_data(stored.config.data, stored.directory.arrays)
    settings = settings_of(stored.config, data.train_samples)
    if not checkpoint.average:
        sys.exit(f"{stored.directory.path} has no average: train with evaluation.average=ema")
    accuracies = []
    for weights in (checkpoint.weights, checkpoint.average):
        for each in (weights, with_fresh_statistics(weights, settings, data, batches)):
            scores = evaluate_on_test_set(settings, data, each, lambda samples: None)
            if not isinstance(scores, ClassScores):
                sys.exit(f"{data.name} has no classes")
            accuracies.append(scores.accuracy)
    return accuracies


def with_fresh_statistics(
    weights: Sequence[np.ndarray], settings: RunSettings, data: TrainingData, batches: int
) -> list[np.ndarray]:
    """Returns the weights with statistics of batch normalisation from training batches."""
    import tensorflow as tf

    from dbsl_tf.common.cores import core_count
    from dbsl_tf.coordinator.estimated_statistics import training_batches
    from dbsl_tf.training.batch_statistics import BatchStatistics
    from dbsl_tf.training.building import build_network

    network = build_network(settings, data, settings.highest.dropout)
    statistics = BatchStatistics(network)
    index = settings.resolutions.index(settings.highest)
    taken = training_batches(settings, data, core_count(), index)(
        tf.constant(0, tf.int64), tf.constant(batches, tf.int64)
    )
    sums = statistics.sums(network.bound(), [tf.constant(w) for w in weights], taken, 0)
    result = list(weights)
    for place, total in zip(statistics.places, sums):
        result[place] = total.numpy() / np.float32(batches)
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
