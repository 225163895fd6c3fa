"""A training whose mini-epochs do no work: what is left is the coordinator and the merges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dbsl_tf.planning import Demand, TimeModel, plan_dual_batch
from dbsl_tf.planning.progressive import PlannedSubStage, TrainingSchedule
from dbsl_tf.schedules import ResolutionSettings, SubStage

RESOLUTION = 32


def make_trainer(engine: Any, clock: Any, parameters: int, epochs: int, folder: Path):
    """The trainer of a model of so many parameters, with closures that do no work."""
    import tensorflow as tf

    from dbsl_tf.coordinator.checkpointer import Checkpointer
    from dbsl_tf.coordinator.dispatcher import Dispatcher
    from dbsl_tf.coordinator.evaluator import Evaluator
    from dbsl_tf.coordinator.merger import Merger
    from dbsl_tf.coordinator.record_writer import RecordWriter
    from dbsl_tf.coordinator.stage import Stage, Streams
    from dbsl_tf.coordinator.stages import Stages
    from dbsl_tf.coordinator.trainer import Trainer
    from dbsl_tf.planning.drift import DriftWatch
    from dbsl_tf.results.checkpoints import Checkpoints
    from dbsl_tf.schedules.calendar import Calendar
    from dbsl_tf.schedules.synchronization import Synchronization
    from dbsl_tf.shared_model.merge import MERGE_RULES
    from dbsl_tf.shared_model.shared_model import SharedModel
    from dbsl_tf.shared_model.slots import SlotPool
    from dbsl_tf.shared_model.stored_model import ModelState

    workers = engine.workers
    state = ModelState(0, [np.zeros(parameters, np.float32)], [])
    shared_model = SharedModel(engine, state, MERGE_RULES["average"])
    slots = SlotPool(shared_model, workers)
    model = TimeModel(0.001, 0.01)
    plan = plan_dual_batch(Demand(model, workers, workers, 0, 1, "nearest"), 1.0)
    batches = engine.worker_datasets(lambda: tf.data.Dataset.from_tensors(0).repeat()).iterator()
    settings = ResolutionSettings(RESOLUTION, 0.0, 1)
    stage = Stage(settings, plan, no_work(engine), batches, lambda epoch: [0.0] * workers)
    sub_stage = PlannedSubStage(SubStage(1, epochs, 0.0, 0.0, settings), plan)
    records = RecordWriter([clock])
    watch = DriftWatch([model] * workers, lambda _: plan)
    trainer = Trainer(
        engine=engine,
        shared_model=shared_model,
        slots=slots,
        stages=Stages(
            TrainingSchedule((sub_stage,)),
            {RESOLUTION: watch},
            lambda *_: stage,
            False,
            lambda drift: None,
        ),
        dispatcher=Dispatcher(workers * epochs, 0, [0] * workers, Synchronization(), engine.roster),
        merger=Merger(shared_model, slots, workers, in_rounds=False),
        calendar=Calendar(workers, epochs, eval_every=epochs, checkpoint_every=epochs),
        evaluator=Evaluator(engine, shared_model, {RESOLUTION: no_evaluation(engine)}, workers),
        checkpointer=Checkpointer(
            Checkpoints(folder, keep=1),
            shared_model,
            records,
            0.0,
            lambda error: trainer.fail(error),
        ),
        streams=Streams(workers, {}),
        records=records,
        seed=0,
    )
    return trainer


def no_work(engine: Any):
    """The closure of a mini-epoch in which nothing is pulled, trained or pushed."""
    import tensorflow as tf

    from dbsl_tf.coordinator.messages import MiniEpochResult

    @engine.closure
    def mini_epoch(batches: Any, slot: Any, orders: Any) -> MiniEpochResult:
        none, at_once = tf.constant(0, tf.int64), tf.constant(0.0, tf.float64)
        return MiniEpochResult(
            trained=tf.constant(True),
            worker=engine.worker_index(),
            loss=tf.constant(0.0),
            correct=none,
            samples=tf.constant(1, tf.int64),
            finite=tf.constant(True),
            started=tf.timestamp(),
            seconds=at_once,
            loop_seconds=at_once,
        )

    return mini_epoch


def no_evaluation(engine: Any):
    """The closure of an evaluation that only counts its samples."""
    import tensorflow as tf

    from dbsl_tf.training.local_loop import Sums

    @engine.closure
    def evaluation(start: tf.Tensor, stop: tf.Tensor) -> Sums:
        return Sums(tf.constant(0.0), tf.constant(0, tf.int64), stop - start)

    return evaluation
