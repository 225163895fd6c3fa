"""What trains on a cluster: the network, its weights on the servers, the closures, the batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras_core
import tensorflow as tf

from dbsl_tf.cluster.connecting import ReadyCluster
from dbsl_tf.config import Config
from dbsl_tf.coordinator.closures import Closure, evaluation_closure, mini_epoch_closure
from dbsl_tf.coordinator.engine import Engine
from dbsl_tf.coordinator.evaluator import Evaluator
from dbsl_tf.coordinator.merge import MERGE_RULES
from dbsl_tf.coordinator.shared_model import SharedModel
from dbsl_tf.data.pipeline import test_dataset, training_dataset
from dbsl_tf.data.prepare import PreparedData
from dbsl_tf.models import build_model
from dbsl_tf.training.compute import Compute
from dbsl_tf.training.network import Network
from dbsl_tf.training.sgd import SGD


@dataclass(frozen=True)
class Components:
    """The parts that training and profiling share; see `build_components`.

    Attributes:
        engine: the connected cluster.
        shared_model: the weights, with a slot for each worker.
        mini_epoch: the closure of one mini-epoch.
        evaluator: of the global weights.
        make_batches: maps a function from the worker's index (int64 scalar) to its batch sizes
            (int64 [batches], repeated for ever) to the per-worker iterator of such batches.
    """

    engine: Engine
    shared_model: SharedModel
    mini_epoch: Closure
    evaluator: Evaluator
    make_batches: Callable[[Callable[[tf.Tensor], tf.Tensor]], Iterator]


def build_components(config: Config, data: PreparedData, cluster: ReadyCluster) -> Components:
    """Connect to the cluster and build what trains on it.

    Args:
        config: the resolved configuration.
        data: the files, at the same paths on every worker.
        cluster: whose servers answer.
    """
    engine = Engine(cluster.task)
    network = Network(
        build_model(
            keras_core,
            config.model.name,
            data.spec.classes,
            config.model.dropout,
            seed=config.run.seed,
            stem=config.stem,
            precision=config.compute.precision,
        ),
        decay_all=config.optimizer.decay_normalization,
        compute=Compute(config.compute.precision, config.compute.xla),
    )
    shared_model = SharedModel(
        engine,
        network.initial_weights(),
        slots=engine.workers,
        merge_rule=MERGE_RULES[config.dual_batch.merge],
    )
    evaluation_batch = min(config.dual_batch.large_batch, data.spec.test_samples)
    evaluation = evaluation_closure(
        shared_model,
        network,
        lambda start, stop: test_dataset(
            data,
            start=start,
            stop=stop,
            batch=evaluation_batch,
            resolution=config.data.resolution,
            parallel_calls=cluster.threads_per_worker,
        ),
    )

    def make_batches(sizes: Callable[[tf.Tensor], tf.Tensor]) -> Iterator:
        def dataset_fn() -> tf.data.Dataset:
            worker = Engine.worker_index()
            return training_dataset(
                data,
                train_samples=config.data.epoch_samples,
                augment=config.data.augment,
                batch_sizes=sizes(worker),
                seed=tf.constant(config.run.seed * engine.workers, tf.int64) + worker,
                parallel_calls=cluster.threads_per_worker,
                resolution=config.data.resolution,
            )

        return engine.per_worker_iterator(dataset_fn)

    return Components(
        engine=engine,
        shared_model=shared_model,
        mini_epoch=mini_epoch_closure(shared_model, network, _optimizer(config)),
        evaluator=Evaluator(engine, shared_model, evaluation, data.spec.test_samples),
        make_batches=make_batches,
    )


def _optimizer(config: Config) -> SGD:
    return SGD(
        momentum=config.optimizer.momentum,
        nesterov=config.optimizer.nesterov,
        weight_decay=config.optimizer.weight_decay,
        decay_mode=config.optimizer.decay_mode,
    )
