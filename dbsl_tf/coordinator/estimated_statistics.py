"""Statistics of batch normalisation, estimated on the workers for the weights to be evaluated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from dbsl_tf.coordinator.shared_work import SharedWork
from dbsl_tf.data.training_data import StreamSettings, TrainingData
from dbsl_tf.engine.closure import Closure
from dbsl_tf.engine.engine import Engine
from dbsl_tf.resolved import RunSettings
from dbsl_tf.shared_model.exchange import Exchange
from dbsl_tf.shared_model.shared_model import SharedModel
from dbsl_tf.training.batch_statistics import BatchStatistics
from dbsl_tf.training.network import Network


class StatisticsEstimator:
    """Gives the snapshot statistics that are the means over some training batches.

    The workers share the batches, which are the same ones every time.

    Args:
        engine: the connected cluster.
        shared_model: whose snapshot is meant.
        batches: how many.
        places: of the statistics among the weights.
        closures: see `statistics_closure`; one for each evaluated resolution.
        worker_timeout: see `SharedWork`.
    """

    def __init__(
        self,
        engine: Engine,
        shared_model: SharedModel,
        batches: int,
        places: Sequence[int],
        closures: Mapping[int, Closure],
        worker_timeout: float | None = None,
    ) -> None:
        self._shared_model = shared_model
        self._places = places
        self.batches = batches
        self._work = {
            resolution: SharedWork(engine, closure, batches, worker_timeout)
            for resolution, closure in closures.items()
        }

    def warm_up(self) -> None:
        """Makes every worker load the closures, and traces the rest; nothing is estimated."""
        for work in self._work.values():
            work.load()
        self._shared_model.replace_in_snapshot({})

    def estimate(self, resolution: int) -> dict[int, np.ndarray]:
        """Gives the snapshot its statistics at a resolution; returns them by their place.

        Raises:
            ParameterServerLost: a parameter server was lost.
        """
        sums = [np.sum(each, axis=0) for each in zip(*self._work[resolution].do())]
        found = {
            place: (total / self.batches).astype(np.float32)
            for place, total in zip(self._places, sums)
        }
        self._shared_model.replace_in_snapshot(found)
        return found


def statistics_closure(
    engine: Engine,
    exchange: Exchange,
    network: Network,
    statistics: BatchStatistics,
    training_batches: Callable[[tf.Tensor, tf.Tensor], tf.data.Dataset],
) -> Closure:
    """Returns the closure that adds up statistics over training batches `start` to `stop` (int64).

    It returns the sums in the order of `statistics.places`. As the range is an argument and the
    result a sum, a share that is run again after its worker died counts once.
    """

    @engine.closure
    def sums(start: tf.Tensor, stop: tf.Tensor) -> list[tf.Tensor]:
        weights = exchange.pull_snapshot()
        return statistics.sums(network.bound(), weights, training_batches(start, stop), start)

    return sums


def build_estimator(
    settings: RunSettings,
    data: TrainingData,
    engine: Engine,
    shared_model: SharedModel,
    networks: Mapping[float, Network],
    threads: int,
) -> StatisticsEstimator | None:
    """Returns what estimates statistics as a run wants it; None: it does not, or there are none.

    Args:
        settings: of the run.
        data: to take the training batches from.
        engine: the connected cluster.
        shared_model: whose snapshot is evaluated.
        networks: by their dropout.
        threads: of a worker.
    """
    count = settings.evaluation.batch_norm_batches
    if not count:
        return None
    closures, places = {}, []
    for index, part in enumerate(settings.resolutions):
        if part.resolution not in settings.evaluated_resolutions:
            continue
        network = networks[part.dropout]
        statistics = BatchStatistics(network)
        places = statistics.places
        batches = training_batches(settings, data, threads, index)
        closures[part.resolution] = statistics_closure(
            engine, shared_model.exchange, network, statistics, batches
        )
    if not places:
        return None
    timeout = settings.cluster.worker_timeout
    return StatisticsEstimator(engine, shared_model, count, places, closures, timeout)


def training_batches(
    settings: RunSettings, data: TrainingData, threads: int, index: int
) -> Callable[[tf.Tensor, tf.Tensor], tf.data.Dataset]:
    """Returns a function from a range of numbers to the training batches with these numbers.

    Args:
        settings: of the run.
        data: to take the batches from.
        threads: that prepare them.
        index: of the resolution among those of the run.
    """
    part = settings.resolutions[index]
    # Other orders than those in which the workers train.
    seed = settings.seed * settings.cluster.workers + (len(settings.resolutions) + index << 32)

    def batches(start: tf.Tensor, stop: tf.Tensor) -> tf.data.Dataset:
        stream = StreamSettings(
            batch_sizes=tf.constant([part.large_batch], tf.int64),
            seed=tf.constant(seed, tf.int64),
            parallel_calls=threads,
            first_sample=start * part.large_batch,
        )
        return data.training_batches(settings.samples, stream, part.resolution).take(stop - start)

    return batches
