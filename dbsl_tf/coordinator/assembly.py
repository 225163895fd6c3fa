"""Puts a run together: from what it is to do and the data to a trainer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from dbsl_tf.cluster.connecting import ReadyCluster
from dbsl_tf.common.patience import UsualTimes
from dbsl_tf.coordinator.checkpointer import Checkpointer
from dbsl_tf.coordinator.components import Components, build_components
from dbsl_tf.coordinator.dispatcher import Dispatcher
from dbsl_tf.coordinator.merger import Merger
from dbsl_tf.coordinator.record_writer import RecordWriter
from dbsl_tf.coordinator.stage import Stage, Streams
from dbsl_tf.coordinator.stages import Stages
from dbsl_tf.coordinator.trainer import Trainer
from dbsl_tf.data.prepare import PreparedData
from dbsl_tf.engine.failures import naming_lost_servers
from dbsl_tf.planning import DualBatchPlan
from dbsl_tf.planning.drift import DriftWatch
from dbsl_tf.resolved import ResolvedRun, RunSettings
from dbsl_tf.results.checkpoints import Checkpoint, Checkpoints
from dbsl_tf.results.records import Observer
from dbsl_tf.schedules.progressive import ResolutionSettings
from dbsl_tf.shared_model.slots import SlotPool


@naming_lost_servers()
def build_trainer(
    run: ResolvedRun,
    data: PreparedData,
    cluster: ReadyCluster,
    checkpoints: Checkpoints,
    checkpoint: Checkpoint | None,
    observers: Sequence[Observer],
    check: Callable[[], None],
) -> Trainer:
    """Connect to the cluster and build everything that trains on it.

    Args:
        run: what to train.
        data: the files, at the same paths on every worker.
        cluster: whose servers answer.
        checkpoints: where to keep them.
        checkpoint: what to go on from; None: begin.
        observers: told of every commit, evaluation, drift and fault.
        check: see `Trainer`.
    """
    settings = run.settings
    workers, worker_timeout = settings.cluster.workers, settings.cluster.worker_timeout
    components = build_components(settings, data, cluster, checkpoint, worker_timeout)
    shared_model = components.shared_model
    merged = checkpoint.commit if checkpoint else 0
    streams = Streams(workers, checkpoint.samples if checkpoint else {})

    watches = {
        resolution: DriftWatch(models, partial(settings.plan, resolution=resolution))
        for resolution, models in run.time_models.items()
    }
    slots = SlotPool(shared_model, workers)
    records = RecordWriter(observers)
    trainer = Trainer(
        engine=components.engine,
        shared_model=shared_model,
        slots=slots,
        stages=Stages(
            run.schedule,
            watches,
            partial(_stage, settings, components, streams),
            settings.dual_batch.replan,
            records.drifted,
        ),
        dispatcher=Dispatcher(
            total=settings.calendar.total,
            merged=merged,
            clocks=checkpoint.clocks if checkpoint else [0] * workers,
            synchronization=settings.synchronization,
            roster=components.engine.roster,
        ),
        merger=Merger(shared_model, slots, workers, settings.synchronization.in_rounds, merged),
        calendar=settings.calendar,
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
        seed=settings.seed,
        # Until one has come back, the plan says how long it takes.
        times=UsualTimes(cluster.limits, worker_timeout, ratio=1.0),
        check=check,
    )
    return trainer


def _stage(
    run: RunSettings,
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
        learning_rates=run.learning_rates(plan, settings),
    )
