"""Prepares a run: reads what its directory holds and settles what the run will do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from dbsl_tf.common.argument_names import in_words_of_a_program
from dbsl_tf.common.errors import UserError
from dbsl_tf.common.printing import print_line
from dbsl_tf.config import Config
from dbsl_tf.config.registries import MODELS
from dbsl_tf.data.image_classification import ImageClassificationData
from dbsl_tf.data.training_data import TrainingData
from dbsl_tf.measuring.found_times import FoundTimes, find_times
from dbsl_tf.planning import TimeModel
from dbsl_tf.profiling.precision_choice import PrecisionChoice
from dbsl_tf.resolved import (
    ResolvedRun,
    RunSettings,
    resolve,
    resolve_cautiously,
    settings_of,
)
from dbsl_tf.resolved.suitability import warn_of_unsuitable_profile
from dbsl_tf.results.checkpoints import Checkpoint, Checkpoints
from dbsl_tf.results.history import History
from dbsl_tf.results.history_lines import first_of
from dbsl_tf.results.origin import add_start
from dbsl_tf.results.resuming import (
    changes,
    changes_of_data,
    check_same_classes,
    check_same_held_out,
)
from dbsl_tf.results.run_directory import RunDirectory
from dbsl_tf.results.stored_config import stored_config
from dbsl_tf.results.stored_objects import read_object, read_precision_choice
from dbsl_tf.schedules.calendar import Calendar


@dataclass(frozen=True)
class Source:
    """Where a configuration came from: its file and the overrides of its keys."""

    file: str
    overrides: Sequence[str] = ()


@dataclass(frozen=True)
class Run:
    """What a run will do, and where it starts.

    Attributes:
        config: the configuration, with the profile and the precision that were found.
        resolved: what follows from the configuration.
        directory: where its results are written.
        checkpoints: its checkpoints.
        checkpoint: the checkpoint it resumes from; None: it starts from the beginning.
        history: its records; while it is open, no other process can continue the run.
        changes: how the configuration has changed since the checkpoint, in words.
        precision_choice: what `compute.precision: auto` chose; None: the precision was given.
        doubt: why there is no time model to rely on, in words; empty: there is one.
    """

    config: Config
    resolved: ResolvedRun
    directory: RunDirectory
    checkpoints: Checkpoints
    checkpoint: Checkpoint | None
    history: History
    changes: Sequence[str]
    precision_choice: PrecisionChoice | None = None
    doubt: str = ""

    def to_yaml(self) -> str:
        """Returns the configuration to store, in which auto stays auto."""
        asked = "auto" if self.precision_choice else self.config.compute.precision
        return self.config.with_precision(asked).to_yaml()

    def plan_as_dict(self) -> dict[str, Any]:
        """Returns the content of plan.json."""
        schedule = self.resolved.schedule
        values = {**schedule.plain.as_dict(), **schedule.as_dict()}
        if self.precision_choice:
            values["precision_choice"] = self.precision_choice.as_dict()
        if self.doubt:
            values["without_time_model"] = self.doubt
        return values


def begin_or_resume(
    config: Config,
    source: Source,
    directory: RunDirectory,
    data: TrainingData,
    console: Console,
    live: AbstractContextManager[object] | None = None,
) -> Run:
    """Returns the new or resumed run, and locks its directory against other processes.

    Configuration, plan and facts about the data are written last, after everything that can fail.

    Args:
        config: of `dbsl_tf.resolved.images.with_images`; if it has no time model, the hardware is
            profiled first.
        source: where the configuration came from.
        directory: the run's directory.
        data: the data to train on.
        console: shows what takes long, and what has changed.
        live: entered once the directory is this process's own, and left if the run cannot begin.

    Raises:
        UserError: the directory holds something else, cannot be written or is in use, or the run
            is already finished or cannot be resumed with this configuration and data. The
            directory is left as it was.
    """
    # Directories that must not be touched are refused before anything is created.
    directory.resumes(config.run.resume)
    with ExitStack() as undoing:
        made = directory.make()
        history = undoing.enter_context(History(directory.history))
        undoing.callback(directory.unmake, made)
        undoing.enter_context(live or nullcontext())
        facts = data.facts()
        run = _begin_or_resume(
            config, source, directory, facts, history, partial(print_line, console)
        )
        directory.write_json(directory.data, {**facts, **_transform(run, data)})
        directory.write_configuration(run.to_yaml())
        add_start(directory, Path(source.file), run.checkpoint.commit if run.checkpoint else 0)
        directory.write_json(directory.plan, run.plan_as_dict())
        # An earlier summary is out of date once the run is resumed.
        directory.summary.unlink(missing_ok=True)
        undoing.pop_all()
    return run


def _begin_or_resume(
    config: Config,
    source: Source,
    directory: RunDirectory,
    facts: Mapping[str, Any],
    history: History,
    report: Callable[[str], None],
) -> Run:
    """Does the work of `begin_or_resume` in a locked directory, without writing anything."""

    samples = config.data.train_samples or facts["train_samples"]
    checkpoints = Checkpoints(directory.checkpoints, config.checkpoint.keep)
    checkpoint, changed, choice = None, [], None
    resumes = directory.resumes(config.run.resume)
    before = stored_config(directory) if resumes else None
    if before is not None:
        if remark := directory.remark_on_configuration():
            report(remark)
        if config.time_model == type(config.time_model)():
            config = config.model_copy(update={"time_model": before.time_model})
        changed = [str(change) for change in changes(before, config)]
        if directory.data.exists():
            facts_before = read_object(directory, directory.data)
            check_same_classes(facts_before, facts)
            check_same_held_out(facts_before, facts)
            changed += changes_of_data(facts_before, facts)
        of_a_program = directory.program.exists()
        for change in changed:
            report(in_words_of_a_program(change) if of_a_program else change)
        if history.damaged:
            report(f"{directory.history} is damaged ({first_of(history.damaged)}); ignoring that")
        checkpoint = checkpoints.latest(report, history.lacks)
        history.check_workers(config.cluster.workers)
        calendar = settings_of(config, samples).calendar
        _check_workers(config, directory, checkpoint)
        _check_unfinished(calendar, directory, checkpoint)
        if changed and checkpoint is not None:
            earlier = settings_of(before, samples).calendar
            _check_same_epochs(earlier, calendar, directory, checkpoint)
        if before.compute.precision == "auto":
            choice = read_precision_choice(directory)
    if config.compute.precision == "auto":
        choice = choice or _settled_precision(settings_of(config, samples), source, report)
        config = config.with_precision(choice.precision)
    else:
        choice = None
    resumes_without = before is not None and checkpoint and not _times_are_known(before, samples)
    if resumes_without and not _times_are_known(config, samples):
        # It has come to know its workers.
        times = FoundTimes(doubt="as when the run began")
    else:
        times = _times(config, samples, source, report)
    if times.profile is not None:
        section = config.time_model.model_copy(update={"profile": times.profile})
        config = config.model_copy(update={"time_model": section})
    kept = batches = None
    if before is not None and checkpoint and _time_source(before) == _time_source(config):
        kept = {
            resolution: [TimeModel(*coefficients) for coefficients in models]
            for resolution, models in checkpoint.time_models.items()
        }
        if before.dual_batch == config.dual_batch:
            batches = checkpoint.batches
    if times.doubt:
        resolved = resolve_cautiously(config, samples, times.seconds_per_sample, kept, batches)
        report(_without_time_model(resolved, times.doubt))
    else:
        resolved = resolve(config, samples, kept, batches)
    return Run(
        config, resolved, directory, checkpoints, checkpoint, history, changed, choice, times.doubt
    )


def _transform(run: Run, data: TrainingData) -> dict[str, Any]:
    """Returns how test images become what model.keras takes, as data.json has it.

    Other data say it themselves.
    """
    if not isinstance(data, ImageClassificationData):
        return {}
    resolution = run.resolved.settings.highest.resolution
    standardized = not MODELS.is_builtin(run.config.model.name)
    return {"transform": data.transform(resolution, standardized)}


def _check_workers(config: Config, directory: RunDirectory, checkpoint: Checkpoint | None) -> None:
    workers = config.cluster.workers
    if checkpoint is not None and len(checkpoint.clocks) != workers:
        raise UserError(
            f"{directory.checkpoints}: the checkpoint of commit {checkpoint.commit} was "
            f"written with {len(checkpoint.clocks)} worker(s), but the run has {workers} "
            "(cluster.workers); "
            "restore the checkpoint, or give another run.dir to start over"
        )


def _check_unfinished(
    calendar: Calendar, directory: RunDirectory, checkpoint: Checkpoint | None
) -> None:
    done = checkpoint.commit if checkpoint else 0
    if done > calendar.total or (done == calendar.total and directory.is_complete):
        raise UserError(
            f"run.dir={directory.path} holds a run of {calendar.epochs_done(done)} epochs, "
            f"and schedule.epochs={calendar.epochs}: raise it to train further, or give "
            "another run.dir"
        )


def _check_same_epochs(
    before: Calendar, now: Calendar, directory: RunDirectory, checkpoint: Checkpoint
) -> None:
    if not now.agrees(before, checkpoint.commit):
        raise UserError(
            f"run.dir={directory.path} holds a run whose {checkpoint.commit} commits are "
            f"{before.position(checkpoint.commit):g} epochs, and by the present "
            "schedule.mini_epochs_per_epoch, schedule.merge_interval and "
            f"schedule.final_local_epochs they are {now.position(checkpoint.commit):g}, or were "
            "merged otherwise: change these, or the learning rate that a quadratic interval "
            "follows, back, or start another run in another run.dir"
        )


def _time_source(config: Config) -> tuple[Any, ...]:
    """Returns the sections from which a run gets its time models."""
    return config.time_model, config.progressive


def _settled_precision(
    settings: RunSettings, source: Source, report: Callable[[str], None]
) -> PrecisionChoice:
    from dbsl_tf.measuring.precision import settle_precision

    return settle_precision(settings, source.file, source.overrides, report)


def _times_are_known(config: Config, samples: int) -> bool:
    return settings_of(config, samples).time_source.is_known


def _times(
    config: Config, samples: int, source: Source, report: Callable[[str], None]
) -> FoundTimes:
    """Returns where the time models are, after measuring them if the configuration has none."""
    settings = settings_of(config, samples)
    if settings.time_source.is_known:
        warn_of_unsuitable_profile(settings)
        return FoundTimes(config.time_model.profile)
    found = find_times(settings, source.file, source.overrides, report)
    if found.profile is not None:
        warn_of_unsuitable_profile(settings.with_profile(found.profile))
    return found


def _without_time_model(run: ResolvedRun, doubt: str) -> str:
    """Returns how a run trains without a time model, in a line."""
    sizes = ", ".join(
        " and ".join(map(str, sorted(set(batches)))) for batches in run.batches.values()
    )
    return (
        f"no time model ({doubt}): training begins with equal shares in batches of {sizes}, and "
        "divides epochs anew by what it observes of the workers"
    )
