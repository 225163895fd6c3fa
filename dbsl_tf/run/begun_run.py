"""A run before it trains: what its directory holds, and what the run is going to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from rich.console import Console

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.printing import print_line
from dbsl_tf.config import Config, load_config
from dbsl_tf.data.training_data import TrainingData
from dbsl_tf.planning import TimeModel
from dbsl_tf.profiling.precision_choice import PrecisionChoice
from dbsl_tf.resolved import ResolvedRun, RunSettings, resolve, settings_of
from dbsl_tf.resolved.suitability import warn_of_unsuitable_profile
from dbsl_tf.results.checkpoints import Checkpoint, Checkpoints
from dbsl_tf.results.history import History
from dbsl_tf.results.history_lines import first_of
from dbsl_tf.results.resuming import changes, check_same_classes
from dbsl_tf.results.run_directory import RunDirectory
from dbsl_tf.results.stored_objects import read_object, read_precision_choice


@dataclass(frozen=True)
class Source:
    """Where a configuration came from: its file, and what overrides keys of it."""

    file: str
    overrides: Sequence[str] = ()


@dataclass(frozen=True)
class Run:
    """What a run does, and where it begins.

    Attributes:
        config: what it was asked to do, with the profile and the precision that were found.
        resolved: what that comes to.
        directory: where its results go.
        checkpoints: where it keeps them.
        checkpoint: what it goes on from; None: it begins.
        history: its records; while it is open no other process goes on with the run.
        changes: what its configuration has different since then, in words.
        precision_choice: what auto came to; None: the precision was given.
    """

    config: Config
    resolved: ResolvedRun
    directory: RunDirectory
    checkpoints: Checkpoints
    checkpoint: Checkpoint | None
    history: History
    changes: Sequence[str]
    precision_choice: PrecisionChoice | None = None

    def to_yaml(self) -> str:
        """The configuration to keep: auto stays auto."""
        asked = "auto" if self.precision_choice else self.config.compute.precision
        return self.config.with_precision(asked).to_yaml()

    def plan_as_dict(self) -> dict[str, Any]:
        """The content of plan.json."""
        schedule = self.resolved.schedule
        values = {**schedule.plain.as_dict(), **schedule.as_dict()}
        if self.precision_choice:
            values["precision_choice"] = self.precision_choice.as_dict()
        return values


def begin_or_resume(
    config: Config,
    source: Source,
    directory: RunDirectory,
    data: TrainingData,
    console: Console,
) -> Run:
    """The run that `config` and its directory ask for, kept from other processes.

    Its configuration, plan and facts of the data are written, after all that can fail.

    Args:
        config: as parsed; where it has no time model, the hardware is profiled now.
        source: of the configuration.
        directory: of the run.
        data: to train on.
        console: told what takes long, and what is changed.

    Raises:
        UserError: the directory holds something else, cannot be written or is in use, or the run
            is finished already or cannot go on with this configuration and data. It is left as it
            was.
    """
    # What must not be touched is refused before anything is made.
    directory.resumes(config.run.resume)
    with ExitStack() as undoing:
        made = directory.make()
        history = undoing.enter_context(History(directory.history))
        undoing.callback(directory.unmake, made)
        facts = data.facts()
        run = _begin_or_resume(
            config, source, directory, facts, history, partial(print_line, console)
        )
        directory.write_json(directory.data, facts)
        directory.write_configuration(run.to_yaml())
        directory.write_json(directory.plan, run.plan_as_dict())
        # It is that of a run which now goes on.
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
    """Does `begin_or_resume` in a directory that no other process uses; writes nothing."""

    samples = config.data.train_samples or facts["train_samples"]
    checkpoints = Checkpoints(directory.checkpoints, config.checkpoint.keep)
    checkpoint, changed, choice = None, [], None
    if directory.resumes(config.run.resume):
        if remark := directory.remark_on_configuration():
            report(remark)
        before = load_config(directory.configuration)
        if config.time_model == type(config.time_model)():
            config = config.model_copy(update={"time_model": before.time_model})
        changed = [str(change) for change in changes(before, config)]
        for change in changed:
            report(change)
        if directory.data.exists():
            check_same_classes(read_object(directory, directory.data), facts)
        if history.damaged:
            report(f"{directory.history} is damaged ({first_of(history.damaged)}): it is left out")
        checkpoint = checkpoints.latest(report, history.lacks)
        history.check_workers(config.cluster.workers)
        _check_unfinished(config, directory, checkpoint)
        if before.compute.precision == "auto":
            choice = read_precision_choice(directory)
    if config.compute.precision == "auto":
        choice = choice or _settled_precision(settings_of(config, samples), source, report)
        config = config.with_precision(choice.precision)
    else:
        choice = None
    config = _with_time_model(config, samples, source, report)
    kept = None
    if checkpoint is not None and _time_source(before) == _time_source(config):
        kept = {
            resolution: [TimeModel(*coefficients) for coefficients in models]
            for resolution, models in checkpoint.time_models.items()
        }
    resolved = resolve(config, samples, kept)
    return Run(config, resolved, directory, checkpoints, checkpoint, history, changed, choice)


def _check_unfinished(
    config: Config, directory: RunDirectory, checkpoint: Checkpoint | None
) -> None:
    total = config.schedule.epochs * config.cluster.workers
    done = checkpoint.commit if checkpoint else 0
    if done > total or (done == total and directory.summary.exists()):
        raise UserError(
            f"run.dir={directory.path} holds a run of {done // config.cluster.workers} epochs, "
            f"and schedule.epochs={config.schedule.epochs}: raise it to train further, or give "
            "another run.dir"
        )


def _time_source(config: Config) -> tuple[Any, ...]:
    """The sections that a run has its time models from."""
    return config.time_model, config.progressive


def _settled_precision(
    settings: RunSettings, source: Source, report: Callable[[str], None]
) -> PrecisionChoice:
    from dbsl_tf.measuring.precision import settle_precision

    return settle_precision(settings, source.file, source.overrides, report)


def _with_time_model(
    config: Config, samples: int, source: Source, report: Callable[[str], None]
) -> Config:
    """The configuration with a profile of this hardware where it has no time model."""
    settings = settings_of(config, samples)
    if settings.time_source.is_known:
        warn_of_unsuitable_profile(settings)
        return config
    from dbsl_tf.measuring.profile_cluster import cached_profile

    path = cached_profile(settings, source.file, source.overrides, report)
    warn_of_unsuitable_profile(settings.with_profile(path))
    section = config.time_model.model_copy(update={"profile": path})
    return config.model_copy(update={"time_model": section})
