"""A run as its directory records it, finished or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from dbsl_tf.planning.time_model import TimeModel
from dbsl_tf.reporting.stored_calendar import calendar_of
from dbsl_tf.results.records import (
    DriftRecord,
    FaultRecord,
    NoiseRecord,
    RecordedCommit,
    RecordedEvaluation,
    ResumeRecord,
    WorkersRecord,
)
from dbsl_tf.schedules.calendar import Calendar


@dataclass(frozen=True, kw_only=True)
class MiniEpoch(RecordedCommit):
    """A recorded commit with its place in the training time.

    Training time is in seconds from the first mini-epoch of the run, without pauses before
    resumptions and without the commits that they discarded.

    Attributes:
        begin: the start of the pull.
    """

    epoch: int
    begin: float

    @property
    def end(self) -> float:
        """The end of the push."""
        return self.begin + self.seconds

    @property
    def batch_seconds(self) -> float | None:
        """Mean time of its steps in seconds; the last step may be short."""
        if not self.steps or not self.loop_seconds:
            return None
        return self.loop_seconds / self.steps

    def predicted_batch_seconds(self, model: TimeModel) -> float | None:
        """Returns the mean of t(B) = a B + b over its steps, including the short last one."""
        if not self.steps or not self.samples:
            return None
        return model.batch_seconds(self.samples / self.steps)


@dataclass(frozen=True, kw_only=True)
class Evaluation(RecordedEvaluation):
    """A recorded evaluation with its place in the training time.

    Attributes:
        epochs: epochs trained by then; fractional within an epoch.
        begin, end: in training time, as in `MiniEpoch`; equal if the start is not recorded.
    """

    epochs: float
    begin: float
    end: float


@dataclass(frozen=True, kw_only=True)
class Fault(FaultRecord):
    """A recorded fault with its place in the training time.

    Attributes:
        seconds: training time when it was noticed.
    """

    seconds: float


@dataclass(frozen=True, kw_only=True)
class Resumption(ResumeRecord):
    """A recorded resumption with its place in the training time.

    Attributes:
        seconds: training time at which the run was resumed.
        pause: seconds between the last commit that counts and the first mini-epoch after it; None
            if none followed.
    """

    seconds: float
    pause: float | None


@dataclass(frozen=True)
class RecordedRun:
    """Everything known about a run.

    Attributes:
        path: its directory.
        config: every key in config.yaml, by dotted name; if the precision was auto, the one that
            was chosen.
        config_text: the text of config.yaml; empty if there is none.
        plan: the content of plan.json; empty if there is none.
        data: the content of data.json, likewise.
        summary: the content of summary.json, likewise; finished and imported runs have one.
        starts: how and where it was started, first to last; none if that is not recorded.
        by_class: what `dbsl evaluate` found last; empty if it was never evaluated so.
        workers: number of workers, n.
        mini_epochs: in the order of their commits, without those that a resumption discarded.
        evaluations: on the test set, likewise.
        validations: on samples held out of the training set, likewise; where there are any, the
            test set is evaluated at the end only.
        noises: measurements of the batch noise, by epoch.
        faults, resumptions, drifts, plans_for_present: in the order of the history.
        time_models: those of each worker, by resolution; under None if one serves all resolutions.
            Empty if the configuration has none or its profile cannot be read.
    """

    path: Path
    workers: int
    config: Mapping[str, Any] = field(default_factory=dict)
    config_text: str = ""
    plan: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    starts: Sequence[Mapping[str, Any]] = ()
    by_class: Mapping[str, Any] = field(default_factory=dict)
    mini_epochs: tuple[MiniEpoch, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    validations: tuple[Evaluation, ...] = ()
    noises: tuple[NoiseRecord, ...] = ()
    faults: tuple[Fault, ...] = ()
    resumptions: tuple[Resumption, ...] = ()
    drifts: tuple[DriftRecord, ...] = ()
    plans_for_present: tuple[WorkersRecord, ...] = ()
    time_models: Mapping[int | None, Sequence[TimeModel]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of its directory."""
        return self.path.resolve().name

    @property
    def watched(self) -> tuple[Evaluation, ...]:
        """The evaluations during the training: on samples held out, or else on the test set."""
        return self.validations or self.evaluations

    @property
    def seed(self) -> int | None:
        return self.config.get("run.seed")

    @property
    def onednn(self) -> bool | None:
        """Whether it computed with oneDNN; None: only some workers did, or it is not recorded."""
        compute = self.summary.get("compute")
        held = compute.get("onednn") if isinstance(compute, Mapping) else None
        return held if isinstance(held, bool) else None

    @property
    def winograd(self) -> bool:
        """Whether it computed with Winograd's filtering; older versions had none."""
        compute = self.summary.get("compute")
        return isinstance(compute, Mapping) and compute.get("winograd") is True

    @property
    def finished(self) -> bool:
        """Whether it is finished: it has a summary and, if imported, all of its commits."""
        asked = self.asked_commits
        cut = asked is not None and len(self.mini_epochs) < asked
        return bool(self.summary) and not (self.imported_from and cut)

    @property
    def imported_from(self) -> str | None:
        """Name of the file that it was imported from; None for a run of this package."""
        imported = self.summary.get("imported")
        return str(imported.get("file")) if isinstance(imported, Mapping) else None

    @property
    def asked_commits(self) -> int | None:
        """Commits of the whole run; None if its number of epochs is not recorded."""
        known = isinstance(self.config.get("schedule.epochs"), int)
        return self.calendar.total if known else None

    @cached_property
    def calendar(self) -> Calendar:
        """Which commits are an epoch."""
        return calendar_of(self.config, self.plan, self.workers)

    @property
    def alike_mini_epochs(self) -> Sequence[MiniEpoch]:
        """Those whose times can be compared: of the epochs that are merged most often."""
        calendar = self.calendar
        if calendar.is_uniform:
            return self.mini_epochs
        most = calendar.mini_epochs_per_epoch
        return [m for m in self.mini_epochs if calendar.mini_epochs(m.epoch) == most]

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Heights of its training images in pixels, from low to high."""
        return tuple(sorted({m.resolution for m in self.mini_epochs if m.resolution is not None}))

    @property
    def status(self) -> str:
        """How far the run has come, in a few words."""
        done, asked = len(self.mini_epochs), self.asked_commits
        if self.finished:
            text = "finished"
        elif not done:
            text = "nothing trained yet"
        elif asked is None:
            text = f"no summary; {done} commits"
        elif done < asked:
            text = f"not finished: commit {done} of {asked}"
        else:
            text = f"all {done} commits, but no summary"
        if self.imported_from:
            text = f"imported; {text}"
        if self.resumptions:
            times = len(self.resumptions)
            text += f"; resumed {'once' if times == 1 else f'{times} times'}"
        return text

    @property
    def wall_seconds(self) -> float | None:
        """Seconds of training and evaluation, without pauses; None before the first commit."""
        if "wall_seconds" in self.summary:
            return self.summary["wall_seconds"]
        ends = [m.end for m in self.mini_epochs] + [
            e.end for e in (*self.evaluations, *self.validations)
        ]
        return max(ends, default=None)

    def time_model(self, worker: int, resolution: int | None) -> TimeModel | None:
        """Returns the time model of a worker at a resolution; None if there is none."""
        models = self.time_models.get(resolution) or self.time_models.get(None) or ()
        return models[worker] if worker < len(models) else None
