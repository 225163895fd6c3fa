"""Puts a run together: from the configuration, the plan and the data to a trainer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras_core
import numpy as np
import tensorflow as tf

from dbsl_tf.cluster.connecting import ReadyCluster
from dbsl_tf.config import Config
from dbsl_tf.coordinator.closures import evaluation_closure, mini_epoch_closure
from dbsl_tf.coordinator.engine import Engine
from dbsl_tf.coordinator.evaluator import Evaluator
from dbsl_tf.coordinator.merge import MERGE_RULES
from dbsl_tf.coordinator.shared_model import SharedModel
from dbsl_tf.coordinator.trainer import Trainer
from dbsl_tf.data.pipeline import test_dataset, training_dataset
from dbsl_tf.data.prepare import PreparedData
from dbsl_tf.models import build_model
from dbsl_tf.planning import DualBatchPlan
from dbsl_tf.results.records import Observer
from dbsl_tf.schedules.learning_rate import scale_factor, schedule_from_config
from dbsl_tf.training.network import Network
from dbsl_tf.training.sgd import SGD


@dataclass(frozen=True)
class Session:
    """A run that is ready to start.

    Attributes:
        trainer: runs it.
        shared_model: the weights it trains.
    """

    trainer: Trainer
    shared_model: SharedModel

    def final_weights(self) -> list[np.ndarray]:
        """The global weights, in the order of `Network`."""
        self.shared_model.take_snapshot()
        return self.shared_model.read_snapshot()


def assemble(
    config: Config,
    plan: DualBatchPlan,
    data: PreparedData,
    cluster: ReadyCluster,
    observers: Sequence[Observer],
) -> Session:
    """Connect to the cluster and build everything that trains on it.

    Args:
        config: the resolved configuration.
        plan: what every worker trains.
        data: the files, at the same paths on every worker.
        cluster: whose servers answer.
        observers: told of every commit and evaluation.
    """
    engine = Engine(cluster.task)
    network = Network(
        build_model(
            keras_core,
            config.model.name,
            data.spec.classes,
            config.model.dropout,
            seed=config.run.seed,
        )
    )
    shared_model = SharedModel(
        engine,
        network.initial_weights(),
        slots=engine.workers,
        merge_rule=MERGE_RULES[config.dual_batch.merge],
    )
    optimizer = SGD(
        momentum=config.optimizer.momentum,
        nesterov=config.optimizer.nesterov,
        weight_decay=config.optimizer.weight_decay,
        decay_mode=config.optimizer.decay_mode,
    )
    if config.optimizer.decay_normalization:
        network.decay = [True] * network.trainable_count
    evaluation_batch = min(config.dual_batch.large_batch, data.spec.test_samples)
    evaluator = Evaluator(
        engine,
        shared_model,
        evaluation_closure(
            shared_model,
            network,
            lambda start, stop: test_dataset(data, start=start, stop=stop, batch=evaluation_batch),
        ),
        data.spec.test_samples,
    )
    trainer = Trainer(
        engine=engine,
        shared_model=shared_model,
        mini_epoch=mini_epoch_closure(shared_model, network, optimizer),
        batches=engine.per_worker_iterator(
            _worker_dataset(config, plan, data, cluster.threads_per_worker)
        ),
        plan=plan,
        learning_rates=_learning_rates(config, plan),
        epochs=config.schedule.epochs,
        eval_every=config.schedule.eval_every,
        evaluator=evaluator,
        observers=observers,
        seed=config.run.seed,
    )
    return Session(trainer, shared_model)


def _worker_dataset(
    config: Config, plan: DualBatchPlan, data: PreparedData, threads: int
) -> Callable[[], tf.data.Dataset]:
    """The dataset_fn: every worker has its own batch size, share and order of samples."""
    batches = [worker.batch for worker in plan.workers]
    samples = [worker.samples for worker in plan.workers]

    def dataset_fn() -> tf.data.Dataset:
        worker = Engine.worker_index()
        return training_dataset(
            data,
            train_samples=plan.samples,
            augment=config.data.augment,
            batch=tf.gather(tf.constant(batches, tf.int64), worker),
            mini_epoch_samples=tf.gather(tf.constant(samples, tf.int64), worker),
            seed=tf.constant(config.run.seed * len(batches), tf.int64) + worker,
            parallel_calls=threads,
        )

    return dataset_fn


def _learning_rates(config: Config, plan: DualBatchPlan) -> Callable[[float], list[float]]:
    """The learning rate of every worker at an epoch: the schedule's, scaled by its batch."""
    schedule = schedule_from_config(config)
    base_batch = config.optimizer.base_batch or config.dual_batch.large_batch
    factors = [
        scale_factor(config.optimizer.lr_scaling, worker.batch, base_batch)
        for worker in plan.workers
    ]
    return lambda epoch: [schedule.learning_rate(epoch) * factor for factor in factors]
