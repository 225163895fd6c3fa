"""How far a run is and how it goes, from its history and live.json."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil, inf
from pathlib import Path
from statistics import median
from typing import Any, Literal

from dbsl_tf.operating.live_state import GOING_ON, Condition, LiveState, read_live_state
from dbsl_tf.reporting.measures import steady
from dbsl_tf.reporting.reading import read_run
from dbsl_tf.reporting.recorded_run import Evaluation, Fault, MiniEpoch, RecordedRun
from dbsl_tf.results.records import WorkersRecord
from dbsl_tf.results.run_directory import RunDirectory

# Speed and time left are those of so many epochs, or of at least so many commits.
_RECENT_EPOCHS, _RECENT_COMMITS = 2, 16
_FAULTS_SHOWN = 5
_PERIOD = 2.0


@dataclass(frozen=True)
class WorkerStatus:
    """One worker; None: not known.

    Attributes:
        worker, role, batch: as in its last mini-epoch, or else in the plan.
        state: whether it takes part; None: the run does not go on.
        absent: why it is left out.
        task_seconds: for how long it has been at its present task.
        mini_epochs: how many of its mini-epochs were merged.
        mini_epoch_seconds: median time of a mini-epoch of its present batch size.
        since_last: seconds since its last mini-epoch ended.
    """

    worker: int
    role: str | None
    batch: int | None
    state: Literal["present", "absent"] | None
    absent: str | None
    task_seconds: float | None
    mini_epochs: int
    mini_epoch_seconds: float | None
    since_last: float | None


@dataclass(frozen=True)
class RunStatus:
    """A run at a moment; None: not known.

    Attributes:
        run: its directory.
        condition: whether it goes on, or how it ended; None: it has no live.json and no summary, so
            that it was trained by an earlier version, or has not begun.
        live: live.json.
        commits, of_commits: mini-epochs merged so far, and in the whole run.
        epoch, epochs: the epoch that is being trained, and how many there are.
        images_per_second: of late.
        seconds: trained so far, without pauses.
        seconds_left: at the speed of late and by the plan of what remains.
        evaluation: the last one.
        faults: how many there were.
        last_faults: the last of them.
        workers: what each does.
        plan_for_present: the last plan that was made for the workers that are there, or why there
            is none; None: since the run began or was resumed, the plan has been that of all.
    """

    run: Path
    condition: Condition | None
    live: LiveState | None
    commits: int
    of_commits: int | None
    epoch: int
    epochs: int | None
    images_per_second: float | None
    seconds: float | None
    seconds_left: float | None
    evaluation: Evaluation | None
    faults: int
    last_faults: Sequence[Fault]
    workers: Sequence[WorkerStatus]
    plan_for_present: WorkersRecord | None

    @property
    def goes_on(self) -> bool:
        """Whether anything may still change."""
        return self.condition in GOING_ON

    def as_dict(self) -> dict[str, Any]:
        """Returns JSON values; times are in seconds, Unix times of the run's clocks."""
        values, last = vars(self), self.evaluation
        return {
            **values,
            "run": str(self.run),
            "live": self.live and self.live.model_dump(mode="json"),
            "evaluation": last and {**last.as_dict(), "split": last.split},
            "last_faults": [fault.as_dict() for fault in self.last_faults],
            "workers": [asdict(worker) for worker in self.workers],
            "plan_for_present": self.plan_for_present and self.plan_for_present.as_dict(),
        }


def read_status(path: Path) -> RunStatus:
    """Returns the status of the run in a directory.

    Raises:
        UserError: it is not a run directory, or a file in it is damaged.
    """
    # live.json first: what the history has by then is not older.
    directory = RunDirectory(path)
    directory.check_has_history()
    live = read_live_state(directory)
    return status_of(read_run(path), live)


def renewed_status(path: Path) -> Iterator[RunStatus]:
    """Yields the status every two seconds until the run has ended; see `read_status`."""
    while (status := read_status(path)).goes_on:
        yield status
        time.sleep(_PERIOD)
    yield status


def status_of(run: RecordedRun, live: LiveState | None) -> RunStatus:
    """Returns the status of a run as it is recorded, and what live.json says of it."""
    condition: Condition | None = "finished" if run.finished and live is None else None
    if live is not None:
        condition = live.condition
    commits = len(run.mini_epochs)
    epochs = run.config.get("schedule.epochs")
    epoch = run.calendar.epoch_at(commits)
    evaluations = (*run.evaluations, *run.validations)
    return RunStatus(
        run=run.path,
        condition=condition,
        live=live,
        commits=commits,
        of_commits=run.asked_commits,
        epoch=min(epoch, epochs) if isinstance(epochs, int) else epoch,
        epochs=epochs if isinstance(epochs, int) else None,
        images_per_second=_images_per_second(run),
        seconds=run.wall_seconds,
        seconds_left=None if run.finished else _seconds_left(run),
        evaluation=max(evaluations, key=lambda e: (e.commit, e.end), default=None),
        faults=len(run.faults),
        last_faults=run.faults[-_FAULTS_SHOWN:],
        workers=_workers(run, live if condition in GOING_ON else None),
        plan_for_present=_plan_for_present(run),
    )


def _recent(run: RecordedRun) -> tuple[Sequence[MiniEpoch], float]:
    """Returns the mini-epochs of late, and the seconds in which they were trained."""
    since = max((resumption.commit for resumption in run.resumptions), default=0)
    session = [m for m in run.mini_epochs if m.commit > since]
    epoch = run.calendar.epoch_of(max(1, len(run.mini_epochs)))
    count = max(_RECENT_COMMITS, ceil(_RECENT_EPOCHS * run.calendar.commits_per_epoch(epoch)))
    before, recent = session[:-count], session[-count:]
    if not recent:
        return (), 0.0
    begin = max(m.end for m in before) if before else min(m.begin for m in recent)
    return recent, max(m.end for m in recent) - begin


def _plan_for_present(run: RecordedRun) -> WorkersRecord | None:
    """Returns the last record of one; a run that is resumed begins with the plan of all."""
    resumed = max((resumption.time for resumption in run.resumptions), default=-inf)
    return next((r for r in reversed(run.plans_for_present) if r.time >= resumed), None)


def _images_per_second(run: RecordedRun) -> float | None:
    recent, seconds = _recent(run)
    samples = sum(m.samples or 0 for m in recent)
    return samples / seconds if samples and seconds > 0 else None


def _seconds_left(run: RecordedRun) -> float | None:
    asked = run.asked_commits
    recent, seconds = _recent(run)
    if asked is None or seconds <= 0:
        return None
    calendar, planned = run.calendar, _planned_seconds(run.plan)

    def expected(epoch: int) -> float:
        return planned(epoch) / float(calendar.commits_per_epoch(epoch))

    trained = sum(expected(m.epoch) for m in recent)
    left = map(calendar.epoch_at, range(len(run.mini_epochs), asked))
    return seconds * sum(map(expected, left)) / trained


def _planned_seconds(plan: Mapping[str, Any]) -> Callable[[int], float]:
    """Returns a function from an epoch to how long it takes by the plan, in any unit."""
    parts = [
        (
            part["last_epoch"],
            part["predicted_seconds"] / (part["last_epoch"] - part["first_epoch"] + 1),
        )
        for part in plan.get("schedule") or ()
        if part.get("predicted_seconds") and part.get("last_epoch") and part.get("first_epoch")
    ]

    def planned(epoch: int) -> float:
        return next((seconds for last, seconds in parts if epoch <= last), 1.0)

    return planned


def _workers(run: RecordedRun, live: LiveState | None) -> list[WorkerStatus]:
    now = time.time()
    planned = {w.get("worker"): w for w in run.plan.get("per_worker") or ()}
    known = {state.worker: state for state in live.workers} if live else {}
    trained: defaultdict[int, list[MiniEpoch]] = defaultdict(list)
    for mini_epoch in run.mini_epochs:
        trained[mini_epoch.worker].append(mini_epoch)
    found = []
    for worker in range(run.workers):
        own = trained[worker]
        last = own[-1] if own else None
        plan, state = planned.get(worker, {}), known.get(worker)
        batch = last.batch if last else plan.get("batch")
        often = run.calendar.mini_epochs
        alike = [m for m in own if m.batch == batch and often(m.epoch) == often(own[-1].epoch)]
        timed = steady(alike) or alike
        found.append(
            WorkerStatus(
                worker=worker,
                role=last.role if last else plan.get("role"),
                batch=batch,
                state=None if state is None else "absent" if state.absent else "present",
                absent=state.absent if state else None,
                task_seconds=state.task_seconds if state else None,
                mini_epochs=len(own),
                mini_epoch_seconds=median(m.seconds for m in timed) if timed else None,
                since_last=max(0.0, now - last.started - last.seconds) if last else None,
            )
        )
    return found
