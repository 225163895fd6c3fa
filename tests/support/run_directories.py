"""Run directories as training leaves them, without training: invented times and results."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from dbsl_tf.common.processor import Processor, WorkerProcessor
from dbsl_tf.config import load_config
from dbsl_tf.planning.progressive import TrainingSchedule
from dbsl_tf.resolved import resolve
from dbsl_tf.results.compute_record import compute_record
from dbsl_tf.results.history import History
from dbsl_tf.results.records import CommitRecord, EvaluationRecord, FaultRecord, NoiseRecord
from dbsl_tf.results.run_directory import RunDirectory
from dbsl_tf.results.summary import summarize
from dbsl_tf.schedules.calendar import Calendar

Record = TypeVar("Record", CommitRecord, EvaluationRecord)
CONFIG = Path(__file__).parents[2] / "configs" / "quickstart.yaml"
SAMPLES = 1437  # the digits
START = 1_800_000_000.0
# Overrides of a run with two resolutions.
HYBRID = (
    "schedule.epochs=4",
    "schedule.milestones=[2]",
    "progressive.mode=cyclic",
    "progressive.resolutions=[16,32]",
    "progressive.a=[0.0003,0.0007]",
    "progressive.b=[0.002,0.0024]",
)


def make_run(
    path: Path,
    *overrides: str,
    commits: int | None = None,
    faults: Sequence[FaultRecord] = (),
    evaluate: bool = True,
    metric: str = "",
    validation: bool = False,
    noises: Sequence[NoiseRecord] = (),
) -> RunDirectory:
    """A run of the quickstart's configuration with `overrides`.

    Every worker's mini-epoch takes what the time model says, give or take a few per cent.

    Args:
        path: of the directory.
        overrides: as on the command line.
        commits: after how many the run was cut off; None: it is finished.
        faults: written after the commit that they name.
        evaluate: whether it was evaluated after each epoch.
        metric: what was measured instead of the accuracy, by name; nothing: the accuracy.
        validation: whether the evaluations are on samples held out, with one of the test set at
            the end.
        noises: written after the commit that they name.
    """
    config = load_config(CONFIG, [f"run.dir={path}", *overrides])
    run = resolve(config, SAMPLES)
    schedule, calendar = run.schedule, run.settings.calendar
    directory = RunDirectory(path)
    directory.make()
    directory.write_text(directory.configuration, config.to_yaml())
    directory.write_json(directory.plan, {**schedule.plain.as_dict(), **schedule.as_dict()})
    directory.write_json(directory.data, {"name": "digits", "classes": 10})
    done = _commits(schedule, calendar, config.run.seed)[:commits]
    with History(directory.history) as history:
        for record in done:
            history.committed(_measuring(record, metric))
            for noise in noises:
                if noise.commit == record.commit:
                    history.noise_measured(noise)
            for fault in faults:
                if fault.commit == record.commit:
                    history.faulted(fault)
            if evaluate and calendar.ends_epoch(record.commit):
                evaluated = _measuring(_evaluation(record, config.run.seed), metric)
                if validation:
                    history.evaluated(replace(evaluated, split="validation"))
                if not validation or record.epoch == config.schedule.epochs:
                    history.evaluated(evaluated)
        if commits is None and evaluate:
            seconds = max(record.started + record.seconds for record in done) - START
            summary = summarize(schedule, history.commits, history.evaluations, seconds)
            processors = _processors(config.cluster.workers)
            summary["compute"] = compute_record(config.compute, processors, None, winograd=True)
            directory.write_json(directory.summary, summary)
    return directory


def _measuring(record: Record, metric: str) -> Record:
    """The record, or one of a run that measures something else instead of the accuracy."""
    if not metric:
        return record
    part = "train" if isinstance(record, CommitRecord) else "test"
    accuracy = getattr(record, f"{part}_accuracy")
    changes = {f"{part}_accuracy": None, f"{part}_metrics": {metric: 40.0 * (1.0 - accuracy)}}
    return replace(record, **changes)


def _processors(workers: int) -> list[WorkerProcessor]:
    processor = Processor("AMD EPYC 7B13", frozenset({"avx", "avx2"}))
    return [WorkerProcessor(worker, processor, onednn=True) for worker in range(workers)]


def append_event(directory: RunDirectory, **event: object) -> None:
    """Another line of history.jsonl."""
    with open(directory.history, "a", encoding="utf-8") as file:
        file.write(json.dumps(event) + "\n")


def _commits(schedule: TrainingSchedule, calendar: Calendar, seed: int) -> list[CommitRecord]:
    draw = random.Random(seed)
    workers = schedule.plain.workers
    free = [START] * len(workers)
    records = []
    for commit in range(1, calendar.total + 1):
        epoch = calendar.epoch_of(commit)
        part = schedule.at(epoch)
        index = min(range(len(workers)), key=lambda worker: free[worker])
        worker = part.plan.workers[index]
        seconds = worker.predicted_seconds * draw.uniform(0.97, 1.05)
        records.append(
            CommitRecord(
                commit=commit, epoch=epoch, worker=index, role=worker.role,
                resolution=part.sub_stage.resolution, batch=worker.batch, samples=worker.samples,
                steps=worker.steps, started=free[index], seconds=seconds,
                loop_seconds=seconds * 0.98, learning_rate=part.sub_stage.learning_rate,
                update_factor=worker.update_factor, staleness=min(commit - 1, len(workers) - 1),
                train_loss=2.3 * math.exp(-epoch / 5), train_accuracy=1 - math.exp(-epoch / 4),
            )
        )  # fmt: skip
        free[index] += seconds + 0.05
    return records


def _evaluation(record: CommitRecord, seed: int) -> EvaluationRecord:
    accuracy = 1 - math.exp(-record.epoch / 4) - 0.01 * (seed % 3)
    return EvaluationRecord(
        resolution=record.resolution,
        commit=record.commit, epoch=record.epoch, test_loss=2.3 * (1 - accuracy),
        test_accuracy=accuracy, samples=360, started=record.started + record.seconds, seconds=0.1,
    )  # fmt: skip
