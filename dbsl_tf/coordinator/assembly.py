"""Puts a run together: from the configuration, the plan and the data to a trainer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from dbsl_tf.cluster.connecting import ReadyCluster
from dbsl_tf.config import Config
from dbsl_tf.coordinator.components import build_components
from dbsl_tf.coordinator.replanner import Replanner
from dbsl_tf.coordinator.stage import Stage
from dbsl_tf.coordinator.trainer import Trainer
from dbsl_tf.data.pipeline import mini_epoch_batches
from dbsl_tf.data.prepare import PreparedData
from dbsl_tf.planning import DualBatchPlan, TimeModel, plan_from_config
from dbsl_tf.planning.drift import DriftWatch
from dbsl_tf.results.records import Observer
from dbsl_tf.schedules.learning_rate import scale_factor, schedule_from_config


def build_trainer(
    config: Config,
    plan: DualBatchPlan,
    time_models: Sequence[TimeModel],
    data: PreparedData,
    cluster: ReadyCluster,
    observers: Sequence[Observer],
    check: Callable[[], None],
) -> Trainer:
    """Connect to the cluster and build everything that trains on it.

    Args:
        config: the resolved configuration.
        plan: what every worker trains.
        time_models: those the plan was made with, one a worker.
        data: the files, at the same paths on every worker.
        cluster: whose servers answer.
        observers: told of every commit, evaluation and drift.
        check: see `Trainer`.
    """
    components = build_components(config, data, cluster)

    def make_stage(plan: DualBatchPlan) -> Stage:
        batches = components.make_batches(_mini_epoch_of(plan))
        return Stage(plan, batches, _learning_rates(config, plan))

    watch = DriftWatch(time_models, lambda models: plan_from_config(config, plan.samples, models))
    return Trainer(
        engine=components.engine,
        shared_model=components.shared_model,
        mini_epoch=components.mini_epoch,
        stage=make_stage(plan),
        replanner=Replanner(watch, make_stage, config.dual_batch.replan, observers),
        epochs=config.schedule.epochs,
        eval_every=config.schedule.eval_every,
        evaluator=components.evaluator,
        observers=observers,
        seed=config.run.seed,
        check=check,
    )


def _mini_epoch_of(plan: DualBatchPlan) -> Callable[[tf.Tensor], tf.Tensor]:
    """Maps a worker's index to the batch sizes of its mini-epoch: its own B_i and d_i."""
    batches = [worker.batch for worker in plan.workers]
    samples = [worker.samples for worker in plan.workers]
    return lambda worker: mini_epoch_batches(
        tf.gather(tf.constant(batches, tf.int64), worker),
        tf.gather(tf.constant(samples, tf.int64), worker),
    )


def _learning_rates(config: Config, plan: DualBatchPlan) -> Callable[[float], list[float]]:
    """The learning rate of every worker at an epoch: the schedule's, scaled by its batch."""
    schedule = schedule_from_config(config)
    base_batch = config.optimizer.base_batch or config.dual_batch.large_batch
    factors = [
        scale_factor(config.optimizer.lr_scaling, worker.batch, base_batch)
        for worker in plan.workers
    ]
    return lambda epoch: [schedule.learning_rate(epoch) * factor for factor in factors]
