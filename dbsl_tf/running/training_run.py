"""One training run, from its start to its results."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console

from dbsl_tf.cluster.connecting import ReadyCluster, ready_cluster
from dbsl_tf.cluster.crowding import warn_of_crowding
from dbsl_tf.cluster.restarting import restarts_so_far
from dbsl_tf.cluster.task import Task
from dbsl_tf.common.errors import UserError
from dbsl_tf.common.patience import Limits, communicate
from dbsl_tf.common.printing import print_line
from dbsl_tf.common.processor import WorkerProcessor
from dbsl_tf.common.program import python_module, typed
from dbsl_tf.common.quiet import remove_generated_files
from dbsl_tf.common.registry import OWN
from dbsl_tf.common.waiting import waiting
from dbsl_tf.data.changed_images import naming_changed_images
from dbsl_tf.data.image_folder import ImageData
from dbsl_tf.data.training_data import TrainingData
from dbsl_tf.operating.live_run import LiveRun
from dbsl_tf.resolved.two_momenta import warn_of_two_momenta
from dbsl_tf.results.compute_record import compute_record, onednn_remark
from dbsl_tf.results.display import Display
from dbsl_tf.results.history import History
from dbsl_tf.results.outcome import print_outcome
from dbsl_tf.results.records import TEST, VALIDATION, Observer, Split
from dbsl_tf.results.run_directory import RunDirectory
from dbsl_tf.results.summary import summarize
from dbsl_tf.running.begun_run import Run
from dbsl_tf.running.ending import Ending, last_words
from dbsl_tf.running.last_resort import LastResort
from dbsl_tf.running.remote_control import RemoteControl

if TYPE_CHECKING:
    from dbsl_tf.config.training_sections import ComputeSection
    from dbsl_tf.coordinator.trainer import Trainer


def train(run: Run, data: TrainingData, task: Task | None, console: Console, live: LiveRun) -> None:
    """Trains as the chief, writes the results to the run's directory and closes its history.

    Raises:
        ParameterServerLost: another process can resume from the last checkpoint.
        ClusterError: the cluster is lost.
        UserError: training diverged, or the results cannot be written.
        KeyboardInterrupt: it was interrupted; how to resume it has been told.
    """
    ending = Ending(run, console, live)
    try:
        _train(run, data, task, console, live, ending)
    except KeyboardInterrupt:
        ending.tell("interrupted")
        raise


def _train(
    run: Run,
    data: TrainingData,
    task: Task | None,
    console: Console,
    live: LiveRun,
    ending: Ending,
) -> None:
    report = partial(print_line, console)

    def step(what: str, at_the_end: bool = False) -> AbstractContextManager[None]:
        live.doing(what, at_the_end=at_the_end)
        return waiting(console, what)

    settings, schedule = run.resolved.settings, run.resolved.schedule
    directory = run.directory
    report(_introduction(run, task))
    warn_of_crowding(settings.cluster.workers)
    warn_of_two_momenta(settings, schedule.plain)
    restarts = max(0, settings.cluster.max_restarts - restarts_so_far(os.environ))
    with run.history as history, ExitStack() as stack:
        with step("waiting for the servers"):
            cluster = stack.enter_context(
                ready_cluster(
                    settings.cluster,
                    settings.compute.onednn,
                    task,
                    directory.logs,
                    restarts,
                    report,
                )
            )
        if cluster.absent:
            report(_beginning_without(cluster))
        stack.enter_context(LastResort(cluster.limits.call, last_words(run)))
        if run.checkpoint is not None:
            run.checkpoints.set_aside_after(run.checkpoint.commit)
            discarded = history.resume(run.checkpoint.commit, run.changes).discarded
            if discarded:
                report(f"training {discarded} commit(s) after the checkpoint again")
        last = history.evaluations[-1] if history.evaluations else None
        calendar = settings.calendar
        display = Display(console, schedule.plain, calendar, history.commits, last)
        observers: list[Observer] = [history, display, *_event_files(run, stack, report)]
        merged = run.checkpoint.commit if run.checkpoint else 0
        if live.metrics:
            live.metrics.begin(
                directory.path, schedule.plain, calendar.total, merged, cluster.absent
            )
            observers.append(live.metrics)
        remote = RemoteControl.from_environment(os.environ)
        if remote:
            observers.append(remote)
        with step("loading the network on the workers"):
            check = partial(cluster.check, report)
            look = cluster.watch(report)
            trainer = _ready_trainer(run, data, cluster, observers, check, look)
            stack.callback(trainer.engine.departures.release)
            processors = _processors(trainer, look, cluster.limits.standstill)
            winograd = _uses_winograd(settings.compute)
        if remark := onednn_remark(settings.compute, processors):
            report(remark)
        if remote:
            remote.begin(trainer, merged)
        live.doing("training", trainer.engine.worker_states)
        # Workers of a local cluster read the files of this machine.
        elsewhere = None if task is None else partial(_undecodable, trainer, look, report)
        try:
            with naming_changed_images(data, elsewhere), display:
                trainer.run(evaluate_first=_missing_evaluations(run, history))
        except KeyboardInterrupt:
            ending.save(trainer, cluster)
            raise
        summary = summarize(schedule, history.commits, history.evaluations, trainer.wall_seconds)
        summary["merge"] = settings.merge.settled(settings.cluster.workers).model_dump()
        summary["compute"] = compute_record(
            settings.compute, processors, run.precision_choice, winograd
        )
        directory.write_json(directory.summary, summary)
    with step(f"writing {directory.model.name}", at_the_end=True):
        _export(directory, cluster.limits)
    print_outcome(console, schedule.plain, summary, directory)


def _ready_trainer(
    run: Run,
    data: TrainingData,
    cluster: ReadyCluster,
    observers: Sequence[Observer],
    check: Callable[[], None],
    look: Callable[[], None],
) -> Trainer:
    """Connects to the cluster, builds the trainer, and lets every worker load the network.

    `check` is called during training, `look` during loading.
    """
    # Imported here because they load TensorFlow.
    from dbsl_tf.coordinator.trainer import build_trainer
    from dbsl_tf.engine.watched_run import run_watched

    def build() -> Trainer:
        return build_trainer(
            run.resolved,
            data,
            cluster,
            run.checkpoints,
            run.checkpoint,
            observers,
            check,
        )

    trainer = run_watched(build, look, cluster.limits.standstill)
    trainer.warm_up(look)
    remove_generated_files()
    return trainer


def _processors(
    trainer: Trainer, look: Callable[[], None], standstill: float
) -> list[WorkerProcessor]:
    """Returns the workers' processors; see `run_watched`."""
    # Imported here because they load TensorFlow.
    from dbsl_tf.engine.watched_run import run_watched
    from dbsl_tf.measuring.processor_reading import read_processors

    return run_watched(partial(read_processors, trainer.engine), look, standstill)


def _uses_winograd(section: ComputeSection) -> bool:
    # Imported here because it loads TensorFlow.
    from dbsl_tf.training.compute import Compute

    return Compute.of(section).winograd


def _undecodable(
    trainer: Trainer,
    look: Callable[[], None],
    report: Callable[[str], None],
    files: ImageData,
) -> dict[str, str]:
    """Returns the images that workers cannot decode, with the reason."""
    # Imported here because they load TensorFlow.
    from dbsl_tf.coordinator.copies_of_images import undecodable_on_workers
    from dbsl_tf.engine.watched_run import run_watched

    report("an image may have changed: every worker checks its own")
    engine = trainer.engine
    work = partial(undecodable_on_workers, engine, files)
    found = run_watched(work, look, engine.limits.standstill)
    return {
        name: f"worker {', '.join(map(str, sorted(workers)))} cannot decode its copy"
        for name, workers in found.items()
    }


def _event_files(run: Run, stack: ExitStack, report: Callable[[str], None]) -> list[Observer]:
    """Returns the observers that write event files until `stack` is closed; none if not wanted."""
    if not run.config.run.tensorboard:
        return []
    # Imported here because it loads TensorFlow.
    from dbsl_tf.tensorboard.observer import TensorBoard

    after = run.checkpoint.commit if run.checkpoint else 0
    board = TensorBoard(
        run.directory.tensorboard,
        after,
        run.to_yaml(),
        run.resolved.schedule.highest_resolution,
        report,
        validation=run.config.data.validation_samples > 0,
        calendar=run.resolved.settings.calendar,
    )
    return [stack.enter_context(board)]


def _beginning_without(cluster: ReadyCluster) -> str:
    absent, workers = sorted(cluster.absent), len(cluster.task.addresses.workers)
    names = f"worker {absent[0]} joins"
    if len(absent) > 1:
        names = f"workers {', '.join(map(str, absent))} join"
    return f"training begins with {workers - len(absent)} of {workers} workers; {names} later"


def _introduction(run: Run, task: Task | None) -> str:
    settings, servers = run.resolved.settings, run.resolved.settings.cluster
    where = "starting on this machine" if task is None else "of TF_CONFIG"
    model, data = settings.model.name, settings.data.name
    text = (
        f"{'your model' if model == OWN else model} on {'your data' if data == OWN else data}: "
        f"{servers.workers} worker(s) and "
        f"{servers.parameter_servers} parameter server(s) {where}"
    )
    if run.checkpoint is not None:
        total = settings.calendar.total
        text += f"; resuming after commit {run.checkpoint.commit} of {total}"
    return text


def _missing_evaluations(run: Run, history: History) -> list[Split]:
    """Returns what the weights it resumes from were not evaluated on before it was interrupted."""
    settings = run.resolved.settings
    if run.checkpoint is None or not settings.calendar.evaluation_due(run.checkpoint.commit):
        return []
    due = [TEST]
    if settings.data.validation_samples:
        at_the_end = run.checkpoint.commit == settings.calendar.total
        due = [VALIDATION, TEST] if at_the_end else [VALIDATION]
    done = {
        record.split
        for record in history.evaluations
        if record.commit == run.checkpoint.commit
        and record.resolution == settings.highest.resolution
    }
    return [split for split in due if split not in done]


def _export(directory: RunDirectory, limits: Limits) -> None:
    """Writes the model in a separate process.

    While this one is connected to a cluster, every new TensorFlow operation waits for hung workers.
    """
    with subprocess.Popen(
        [*python_module("dbsl_tf.export"), str(directory.path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            _, errors = communicate(process, limits)
            problem = errors.strip() if process.returncode else None
        except subprocess.TimeoutExpired:
            process.kill()
            problem = f"nothing happened for {limits.standstill:.0f} s"
        except BaseException:
            process.kill()
            raise
    if problem is not None:
        raise UserError(
            f"{directory.model} could not be written, but everything else was: {problem}; try "
            f"{typed('export', str(directory.path))}"
        )
