"""Puts a run together: from the configuration, the plan and the data to a trainer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from dbsl_tf.cluster.connecting import ReadyCluster
from dbsl_tf.common.patience import UsualTimes
from dbsl_tf.config import Config
from dbsl_tf.coordinator.checkpointer import Checkpointer
from dbsl_tf.coordinator.components import Components, build_components
from dbsl_tf.coordinator.dispatcher import Dispatcher
from dbsl_tf.coordinator.merger import Merger
from dbsl_tf.coordinator.record_writer import RecordWriter
from dbsl_tf.coordinator.stage import Stage, Streams
from dbsl_tf.coordinator.stages import Stages
from dbsl_tf.coordinator.trainer import Trainer
from dbsl_tf.data.configured import epoch_samples
from dbsl_tf.data.prepare import PreparedData
from dbsl_tf.engine.failures import naming_lost_servers
from dbsl_tf.planning import DualBatchPlan, TimeModel, plan_from_config
from dbsl_tf.planning.drift import DriftWatch
from dbsl_tf.planning.progressive import TrainingSchedule
from dbsl_tf.results.checkpoints import Checkpoint, Checkpoints
from dbsl_tf.results.records import Observer
from dbsl_tf.schedules.calendar import calendar_from_config
from dbsl_tf.schedules.learning_rate import scale_factor, schedule_from_config
from dbsl_tf.schedules.progressive import ResolutionSettings
from dbsl_tf.schedules.synchronization import Synchronization
from dbsl_tf.shared_model.slots import SlotPool


@naming_lost_servers()
def build_trainer(
    config: Config,
    schedule: TrainingSchedule,
    time_models: Mapping[int, Sequence[TimeModel]],
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
        schedule: what every worker trains in every epoch.
        time_models: those it was made with, one a worker for each resolution.
        data: the files, at the same paths on every worker.
        cluster: whose servers answer.
        checkpoints: where to keep them.
        checkpoint: what to go on from; None: begin.
        observers: told of every commit, evaluation, drift and fault.
        check: see `Trainer`.
    """
    workers = config.cluster.workers
    worker_timeout = config.cluster.worker_timeout
    components = build_components(config, data, cluster, checkpoint, worker_timeout)
    shared_model = components.shared_model
    merged = checkpoint.commit if checkpoint else 0
    streams = Streams(workers, checkpoint.samples if checkpoint else {})

    watches = {
        resolution: DriftWatch(models, partial(_plan, config, resolution))
        for resolution, models in time_models.items()
    }
    synchronization = Synchronization.of(config.sync.mode, config.sync.staleness)
    calendar = calendar_from_config(config)
    slots = SlotPool(shared_model, workers)
    records = RecordWriter(observers)
    trainer = Trainer(
        engine=components.engine,
        shared_model=shared_model,
        slots=slots,
        stages=Stages(
            schedule,
            watches,
            partial(_stage, config, components, streams),
            config.dual_batch.replan,
            records.drifted,
        ),
        dispatcher=Dispatcher(
            total=calendar.total,
            merged=merged,
            clocks=checkpoint.clocks if checkpoint else [0] * workers,
            synchronization=synchronization,
            roster=components.engine.roster,
        ),
        merger=Merger(shared_model, slots, workers, synchronization.in_rounds, merged),
        calendar=calendar,
        evaluator=components.evaluator,
        checkpointer=Checkpointer(
            checkpoints,
            shared_model,
            records,
            wall_seconds=checkpoint.wall_seconds if checkpoint else 0.0,
            fail=lambda error: trainer.fail(error),
        ),
        streams=streams,
        records=records,
        seed=config.run.seed,
        # Until one has come back, the plan says how long it takes.
        times=UsualTimes(cluster.limits, worker_timeout, ratio=1.0),
        check=check,
    )
    return trainer


def _stage(
    config: Config,
    components: Components,
    streams: Streams,
    plan: DualBatchPlan,
    settings: ResolutionSettings,
) -> Stage:
    return Stage(
        settings=settings,
        plan=plan,
        mini_epoch=components.mini_epochs[settings.resolution],
        batches=components.batches[settings.resolution].iterator(
            [worker.batch_sizes for worker in plan.workers],
            streams.taken(settings.resolution),
        ),
        learning_rates=_learning_rates(config, plan, settings),
    )


def _plan(config: Config, resolution: int, time_models: Sequence[TimeModel]) -> DualBatchPlan:
    return plan_from_config(config, epoch_samples(config.data), time_models, resolution)


def _learning_rates(
    config: Config, plan: DualBatchPlan, settings: ResolutionSettings
) -> Callable[[float], list[float]]:
    """The learning rate of every worker at an epoch: the schedule's, scaled by its batch."""
    schedule = schedule_from_config(config)
    base_batch = config.optimizer.base_batch or settings.large_batch
    factors = [
        scale_factor(config.optimizer.lr_scaling, worker.batch, base_batch)
        for worker in plan.workers
    ]

    def learning_rates(epoch: float) -> list[float]:
        rate = schedule.learning_rate(epoch)
        return [rate * factor for factor in factors]

    return learning_rates
