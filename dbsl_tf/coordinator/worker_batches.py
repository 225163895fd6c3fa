"""What the workers make their training batches from: a stream of their own, or what they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from dbsl_tf.coordinator.closures import ShareBatches
from dbsl_tf.data.sample_stream import mini_epoch_batches
from dbsl_tf.data.training_data import StreamSettings, TrainingData
from dbsl_tf.engine.engine import Engine
from dbsl_tf.engine.worker_datasets import WorkerDatasets
from dbsl_tf.resolved import RunSettings


class Batches(Protocol):
    """What every worker makes its training batches from."""

    def iterator(self, sizes: Sequence[Sequence[int]], samples_before: Sequence[int]) -> Iterator:
        """Returns an iterator that stands for one on each worker; the closure takes it.

        Args:
            sizes: of the batches of each worker in a mini-epoch.
            samples_before: samples of its stream that each worker has already had, [workers].
        """
        ...


class HeldByWorkers:
    """What every worker holds in memory, where a mini-epoch is told which samples it trains.

    Args:
        engine: the connected cluster.
        held: reads it, on the worker that runs it; see `TrainingData.held`.
    """

    def __init__(self, engine: Engine, held: Callable[[], tf.Tensor]) -> None:
        self._datasets = engine.worker_datasets(
            lambda: tf.data.Dataset.from_tensors(held()).repeat()
        )
        self._iterator: Iterator | None = None

    def iterator(self, sizes: Sequence[Sequence[int]], samples_before: Sequence[int]) -> Iterator:
        """Returns the iterator over it, always the same one; no argument matters."""
        if self._iterator is None:
            self._iterator = self._datasets.iterator()
        return self._iterator


class WorkerBatches:
    """The training batches of every worker, one stream each.

    Args:
        datasets: made from three arguments: the sizes of all batches, worker by worker; where
            those of each worker end, starting with 0; and how many samples of its stream each
            worker has already had.
    """

    def __init__(self, datasets: WorkerDatasets) -> None:
        self._datasets = datasets

    def iterator(self, sizes: Sequence[Sequence[int]], samples_before: Sequence[int]) -> Iterator:
        """Returns an iterator that stands for one on each worker.

        Args:
            sizes: of the batches of each worker, repeated for ever.
            samples_before: samples of its stream that each worker has already had, [workers].
        """
        ends = np.cumsum([0, *map(len, sizes)])
        return self._datasets.iterator(np.concatenate(sizes), ends, samples_before)


def share_batches(
    settings: RunSettings, data: TrainingData, threads: int, resolution: int
) -> ShareBatches:
    """Returns the function from a share of an epoch to its batches at a resolution.

    The order of an epoch is the same for all workers and resolutions.
    """

    def batches(
        held: tf.Tensor, first: tf.Tensor, samples: tf.Tensor, batch: tf.Tensor
    ) -> tf.data.Dataset:
        stream = StreamSettings(
            batch_sizes=mini_epoch_batches(batch, samples),
            seed=settings.seed,
            parallel_calls=threads,
            first_sample=first,
            endless=False,
            held=held,
        )
        return data.training_batches(settings.samples, stream, resolution)

    return batches


def training_datasets(
    settings: RunSettings,
    data: TrainingData,
    engine: Engine,
    threads: int,
    index: int,
    resolution: int,
) -> WorkerDatasets:
    """Returns the training data at a resolution; see `WorkerBatches` for its arguments.

    Args:
        index: of the resolution among those of the run.
    """
    # Far apart, so that no two workers and resolutions have the same order.
    first_seed = settings.seed * engine.workers + (index << 32)

    def dataset_fn(sizes: tf.Tensor, ends: tf.Tensor, samples_before: tf.Tensor) -> tf.data.Dataset:
        worker = Engine.worker_index()
        stream = StreamSettings(
            batch_sizes=sizes[ends[worker] : ends[worker + 1]],
            seed=tf.constant(first_seed, tf.int64) + worker,
            parallel_calls=threads,
            first_sample=samples_before[worker],
        )
        return data.training_batches(settings.samples, stream, resolution)

    several = tf.TensorSpec([None], tf.int64)
    one_each = tf.TensorSpec([engine.workers], tf.int64)
    return engine.worker_datasets(
        dataset_fn, [several, tf.TensorSpec([engine.workers + 1], tf.int64), one_each]
    )
