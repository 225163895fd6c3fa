"""Puts a run together: from the configuration, the plan and the data to a trainer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from dbsl_tf.cluster.connecting import ReadyCluster
from dbsl_tf.config import Config
from dbsl_tf.coordinator.checkpointer import Checkpointer
from dbsl_tf.coordinator.components import build_components
from dbsl_tf.coordinator.dispatcher import Dispatcher
from dbsl_tf.coordinator.merger import Merger
from dbsl_tf.coordinator.replanner import Replanner
from dbsl_tf.coordinator.slots import SlotPool
from dbsl_tf.coordinator.stage import Stage, Streams
from dbsl_tf.coordinator.synchronization import Synchronization
from dbsl_tf.coordinator.trainer import Trainer
from dbsl_tf.data.pipeline import mini_epoch_batches
from dbsl_tf.data.prepare import PreparedData
from dbsl_tf.planning import DualBatchPlan, TimeModel, plan_from_config
from dbsl_tf.planning.drift import DriftWatch
from dbsl_tf.results.checkpoints import Checkpoint, Checkpoints
from dbsl_tf.results.records import Observer
from dbsl_tf.schedules.calendar import calendar_from_config
from dbsl_tf.schedules.learning_rate import scale_factor, schedule_from_config

_TIMEOUT_FACTOR = 10
_SHORTEST_TIMEOUT = 20.0


def build_trainer(
    config: Config,
    plan: DualBatchPlan,
    time_models: Sequence[TimeModel],
    data: PreparedData,
    cluster: ReadyCluster,
    checkpoints: Checkpoints,
    checkpoint: Checkpoint | None,
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
        checkpoints: where to keep them.
        checkpoint: what to go on from; None: begin.
        observers: told of every commit, evaluation, drift and fault.
        check: see `Trainer`.
    """
    workers = config.cluster.workers
    worker_timeout = _worker_timeout(config, plan)
    components = build_components(config, data, cluster, checkpoint, worker_timeout)
    shared_model = components.shared_model
    streams = Streams(checkpoint.samples if checkpoint else [0] * workers)

    def make_stage(plan: DualBatchPlan) -> Stage:
        batches = components.make_batches(_mini_epoch_of(plan), streams.samples)
        return Stage(plan, batches, _learning_rates(config, plan))

    watch = DriftWatch(time_models, lambda models: plan_from_config(config, plan.samples, models))
    synchronization = Synchronization.of(config.sync.mode, config.sync.staleness)
    calendar = calendar_from_config(config)
    slots = SlotPool(shared_model, workers)
    trainer = Trainer(
        engine=components.engine,
        shared_model=shared_model,
        slots=slots,
        mini_epoch=components.mini_epoch,
        stage=make_stage(plan),
        replanner=Replanner(watch, make_stage, config.dual_batch.replan, observers),
        dispatcher=Dispatcher(
            total=calendar.total,
            merged=checkpoint.commit if checkpoint else 0,
            clocks=checkpoint.clocks if checkpoint else [0] * workers,
            synchronization=synchronization,
            roster=components.engine.roster,
        ),
        merger=Merger(shared_model, slots, workers, synchronization.in_rounds),
        calendar=calendar,
        evaluator=components.evaluator,
        checkpointer=Checkpointer(
            checkpoints,
            shared_model,
            wall_seconds=checkpoint.wall_seconds if checkpoint else 0.0,
            fail=lambda error: trainer.fail(error),
        ),
        streams=streams,
        observers=observers,
        seed=config.run.seed,
        worker_timeout=worker_timeout,
        check=check,
    )
    return trainer


def _worker_timeout(config: Config, plan: DualBatchPlan) -> float:
    """Seconds after which a worker counts as hung."""
    if config.cluster.worker_timeout is not None:
        return config.cluster.worker_timeout
    longest = max(worker.predicted_seconds for worker in plan.workers)
    return max(_TIMEOUT_FACTOR * longest, _SHORTEST_TIMEOUT)


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
