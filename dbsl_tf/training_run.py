"""One run of training, from what its directory holds to its results."""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console

from dbsl_tf.cluster.connecting import ready_cluster
from dbsl_tf.cluster.restarting import restarts_so_far
from dbsl_tf.cluster.task import Task
from dbsl_tf.common.errors import UserError
from dbsl_tf.common.quiet import remove_generated_files
from dbsl_tf.config import Config, load_config
from dbsl_tf.data.configured import epoch_samples
from dbsl_tf.data.dataset import dataset_facts
from dbsl_tf.data.prepare import PreparedData
from dbsl_tf.planning import TimeModel
from dbsl_tf.planning.progressive import TrainingSchedule, schedule_plan_from_config
from dbsl_tf.profiling.time_models import has_time_models, time_models_by_resolution
from dbsl_tf.results.checkpoints import Checkpoint, Checkpoints
from dbsl_tf.results.display import Display
from dbsl_tf.results.history import History
from dbsl_tf.results.outcome import print_outcome
from dbsl_tf.results.records import Observer
from dbsl_tf.results.resuming import changes
from dbsl_tf.results.run_directory import RunDirectory
from dbsl_tf.results.summary import summarize
from dbsl_tf.schedules.calendar import calendar_from_config
from dbsl_tf.schedules.progressive import resolution_settings

if TYPE_CHECKING:
    from dbsl_tf.coordinator.trainer import Trainer

# What saving the weights may take when a run is interrupted, in seconds.
_SAVING_SECONDS = 20.0
_EXPORT_SECONDS = 300.0
# What connecting to a cluster whose servers answer, and building what trains on it, may take.
_BUILDING_SECONDS = 600.0


@dataclass(frozen=True)
class Run:
    """What a run does, and where it begins.

    Attributes:
        config: the resolved configuration.
        directory: where its results go.
        time_models: one a worker, for each resolution.
        schedule: what every worker trains in every epoch.
        checkpoints: where it keeps them.
        checkpoint: what it goes on from; None: it begins.
        history: its records; while it is open no other process goes on with the run.
    """

    config: Config
    directory: RunDirectory
    time_models: Mapping[int, Sequence[TimeModel]]
    schedule: TrainingSchedule
    checkpoints: Checkpoints
    checkpoint: Checkpoint | None
    history: History


def begin_or_resume(
    config: Config,
    options: Namespace,
    directory: RunDirectory,
    data: PreparedData,
    console: Console,
) -> Run:
    """The run that `config` and its directory ask for, kept from other processes.

    Its configuration, plan and facts of the data are written, after all that can fail.

    Args:
        config: as parsed; where it has no time model, the hardware is profiled now.
        options: the command line.
        directory: of the run.
        data: to train on.
        console: told what takes long, and what is changed.

    Raises:
        UserError: the directory holds something else, cannot be written or is in use, or the run
            is finished already. It is left as it was.
    """
    # What must not be touched is refused before anything is made.
    directory.resumes(config.run.resume)
    with ExitStack() as undoing:
        made = directory.make()
        history = undoing.enter_context(History(directory.history))
        undoing.callback(directory.unmake, made)
        run = _begin_or_resume(config, options, directory, history, console)
        directory.write_json(directory.data, dataset_facts(data.spec))
        directory.write_text(directory.configuration, run.config.to_yaml())
        schedule = run.schedule
        directory.write_json(directory.plan, {**schedule.plain.as_dict(), **schedule.as_dict()})
        # It is that of a run which now goes on.
        directory.summary.unlink(missing_ok=True)
        undoing.pop_all()
    return run


def _begin_or_resume(
    config: Config,
    options: Namespace,
    directory: RunDirectory,
    history: History,
    console: Console,
) -> Run:
    """Does `begin_or_resume` in a directory that no other process uses; writes nothing."""

    def report(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    checkpoints = Checkpoints(directory.checkpoints, config.checkpoint.keep)
    checkpoint = None
    if directory.resumes(config.run.resume):
        before = load_config(directory.configuration)
        if config.time_model == type(config.time_model)():
            config = config.model_copy(update={"time_model": before.time_model})
        for change in changes(before, config):
            report(f"{change}")
        checkpoint = checkpoints.latest(report)
        _check_unfinished(config, directory, checkpoint)
    config = _with_time_model(config, options, console)
    if checkpoint is not None and _time_models_stay(before, config, checkpoint):
        time_models = {
            resolution: [TimeModel(*coefficients) for coefficients in models]
            for resolution, models in checkpoint.time_models.items()
        }
    else:
        time_models = time_models_by_resolution(config)
    schedule = schedule_plan_from_config(config, epoch_samples(config.data), time_models)
    return Run(config, directory, time_models, schedule, checkpoints, checkpoint, history)


def train(run: Run, data: PreparedData, task: Task | None, console: Console) -> None:
    """Train as the chief, and leave the results in the run's directory; its history is closed.

    Raises:
        ParameterServerLost: it can go on from its last checkpoint, in another process.
        ClusterError: the cluster is gone.
        UserError: the training diverged, or the results cannot be written.
    """

    def report(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    config, directory, start = run.config, run.directory, run.checkpoint
    report(_introduction(run, task))
    restarts = max(0, config.cluster.max_restarts - restarts_so_far(os.environ))
    with (
        run.history as history,
        ready_cluster(config, task, directory.logs, restarts) as cluster,
        ExitStack() as stack,
    ):
        from dbsl_tf.coordinator.assembly import build_trainer
        from dbsl_tf.engine.watched_run import run_watched

        if start is not None:
            discarded = history.resume(start.commit).discarded
            if discarded:
                report(f"{discarded} commit(s) after the checkpoint are trained again")
        display = Display(console, run.schedule.plain, config.schedule.epochs, history.commits)

        def check() -> None:
            cluster.check(report)

        trainer = run_watched(
            lambda: build_trainer(
                config,
                run.schedule,
                run.time_models,
                data,
                cluster,
                run.checkpoints,
                start,
                observers=[history, display, *_event_files(run, stack)],
                check=check,
            ),
            check,
            _BUILDING_SECONDS,
        )
        trainer.warm_up()
        remove_generated_files()
        try:
            with display:
                trainer.run(evaluate_first=_evaluation_is_missing(run, history))
        except KeyboardInterrupt:
            _save_and_tell(run, trainer, console)
            raise
        summary = summarize(
            run.schedule, history.commits, history.evaluations, trainer.wall_seconds
        )
        summary["compute"] = config.compute.model_dump()
        directory.write_json(directory.summary, summary)
    _export(directory)
    print_outcome(console, run.schedule.plain, summary, directory)


def _event_files(run: Run, stack: ExitStack) -> list[Observer]:
    """What writes the event files, until `stack` is closed; none where they are not wanted."""
    if not run.config.run.tensorboard:
        return []
    # Imported here because it loads TensorFlow.
    from dbsl_tf.tensorboard.observer import TensorBoard

    after = run.checkpoint.commit if run.checkpoint else 0
    board = TensorBoard(
        run.directory.tensorboard,
        after,
        run.config.to_yaml(),
        run.schedule.highest_resolution,
    )
    return [stack.enter_context(board)]


def _check_unfinished(
    config: Config, directory: RunDirectory, checkpoint: Checkpoint | None
) -> None:
    total = config.schedule.epochs * config.cluster.workers
    done = checkpoint.commit if checkpoint else 0
    if done > total or (done == total and directory.summary.exists()):
        raise UserError(
            f"run.dir={directory.path} holds a run of {done // config.cluster.workers} epochs, "
            f"and schedule.epochs={config.schedule.epochs}: raise it to train on, or give another "
            "run.dir"
        )


def _time_models_stay(before: Config, now: Config, checkpoint: Checkpoint) -> bool:
    given = (before.time_model, before.progressive) == (now.time_model, now.progressive)
    resolutions = {settings.resolution for settings in resolution_settings(now)}
    return given and resolutions == set(checkpoint.time_models)


def _with_time_model(config: Config, options: Namespace, console: Console) -> Config:
    """The configuration with a profile of this hardware where it has no time model."""
    if has_time_models(config):
        return config
    from dbsl_tf.measuring.profile_cluster import cached_profile

    def report(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    path = cached_profile(config, options.config, options.overrides, report)
    section = config.time_model.model_copy(update={"profile": path})
    return config.model_copy(update={"time_model": section})


def _introduction(run: Run, task: Task | None) -> str:
    config, servers = run.config, run.config.cluster
    where = "starting on this machine" if task is None else "of TF_CONFIG"
    text = (
        f"{config.model.name} on {config.data.name}: {servers.workers} worker(s) and "
        f"{servers.parameter_servers} parameter server(s) {where}"
    )
    if run.checkpoint is not None:
        total = config.schedule.epochs * servers.workers
        text += f"; going on after commit {run.checkpoint.commit} of {total}"
    return text


def _evaluation_is_missing(run: Run, history: History) -> bool:
    """Whether the run was interrupted before the weights it goes on from were evaluated."""
    if run.checkpoint is None:
        return False
    calendar = calendar_from_config(run.config)
    return calendar.evaluation_due(run.checkpoint.commit) and not any(
        record.commit == run.checkpoint.commit
        and record.resolution == run.schedule.highest_resolution
        for record in history.evaluations
    )


def _export(directory: RunDirectory) -> None:
    """Write the model in a process of its own.

    While this one is connected to a cluster, every new operation of TensorFlow waits for workers
    that hang.
    """
    try:
        result = subprocess.run(
            [sys.executable, "-m", "dbsl_tf.export", str(directory.path)],
            capture_output=True,
            text=True,
            timeout=_EXPORT_SECONDS,
        )
        problem = result.stderr.strip() if result.returncode else None
    except subprocess.TimeoutExpired:
        problem = f"not done within {_EXPORT_SECONDS:.0f} s"
    if problem is not None:
        raise UserError(
            f"{directory.model} could not be written, all else was: {problem}; try python -m "
            f"dbsl_tf.export {directory.path}"
        )


def _save_and_tell(run: Run, trainer: Trainer, console: Console) -> None:
    trainer.stop()
    saved = trainer.save_now(_SAVING_SECONDS)
    what = "saved" if saved else "not saved in time; the last checkpoint is there"
    console.print(
        f"{what}: go on with python -m dbsl_tf.train --config {run.directory.configuration} "
        f"run.dir={run.directory.path}",
        highlight=False,
        soft_wrap=True,
    )
