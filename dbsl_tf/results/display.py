"""Shows progress during training: live bars in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
)
from rich.table import Column
from rich.text import Text

from dbsl_tf.common.printing import print_line
from dbsl_tf.planning import DualBatchPlan
from dbsl_tf.planning.dual_batch import ROLES
from dbsl_tf.results.pace import Pace
from dbsl_tf.results.present_workers import in_words, small_part
from dbsl_tf.results.records import (
    CommitRecord,
    DriftRecord,
    EvaluationRecord,
    FaultRecord,
    WorkersRecord,
)
from dbsl_tf.schedules.calendar import Calendar

_WIDEST_BAR = 24
# Narrower ones have notes of several lines; in others the bars give way.
_USUAL_WIDTH = 80


class _Note(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(task.fields.get("note", ""))


class _TimeLeft(ProgressColumn):
    """The time until `task.fields["ends"]`, a time of `time.monotonic`."""

    def render(self, task: Task) -> Text:
        if "ends" not in task.fields:
            return Text("")
        ends = task.fields["ends"]
        left = None if ends is None else max(0, round(ends - time.monotonic()))
        return Text(
            "-:--:--" if left is None else str(timedelta(seconds=left)), "progress.remaining"
        )


class Display:
    """Shows a run's progress; a context manager and an observer of the run.

    In a terminal there is one bar for the run, with epoch, time left, images per second and test
    accuracy (the test loss if there is none), and one bar for each role with its loss. Elsewhere,
    one line is printed for each epoch and each evaluation.

    Args:
        console: where to show it.
        plan: the plan, which says what roles there are.
        calendar: of the run.
        before: commits of the run from before this process started.
        evaluated: its last evaluation from before then; None: there is none.
        clock: the time in seconds, by which images per second are measured.
    """

    def __init__(
        self,
        console: Console,
        plan: DualBatchPlan,
        calendar: Calendar,
        before: Sequence[CommitRecord] = (),
        evaluated: EvaluationRecord | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._calendar = calendar
        self._epochs = epochs = calendar.epochs
        self._pace = Pace(calendar.workers, before, clock)
        self._commits = len(before)
        epoch = calendar.epoch_at(len(before))
        self._epoch_records = list(before[calendar.first_number(epoch) :])
        self._done: dict[str, int] = {role: sum(r.role == role for r in before) for role in ROLES}
        self._tested = "" if evaluated is None else _in_short(evaluated)
        self._resolutions: set[int] = set()
        whole = console.width >= _USUAL_WIDTH
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(None, table_column=Column(max_width=_WIDEST_BAR)),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            _TimeLeft(table_column=Column(no_wrap=True)),
            _Note(table_column=Column(no_wrap=whole)),
            console=console,
            disable=not console.is_terminal,
        )
        self._total = self._progress.add_task(
            f"epoch {min(epochs, epoch)}/{epochs}",
            total=calendar.total,
            completed=len(before),
            **self._run_fields(),
        )
        self._bars: dict[str, TaskID] = {
            role: self._progress.add_task(
                f"{role} workers",
                total=calendar.total // calendar.workers * plan.count(role),
                completed=self._done[role],
            )
            for role in ROLES
            if plan.count(role)
        }

    def __enter__(self) -> Display:
        self._pace.begin()
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def committed(self, record: CommitRecord) -> None:
        self._pace.committed(record.samples)
        self._commits = record.commit
        self._epoch_records.append(record)
        self._done[record.role] += 1
        self._progress.update(
            self._total,
            completed=record.commit,
            description=f"epoch {record.epoch}/{self._epochs}",
            **self._run_fields(),
        )
        self._progress.update(
            self._bars[record.role],
            completed=self._done[record.role],
            note=f"B={record.batch} loss {record.train_loss:.3f} lr {record.learning_rate:.3g}",
        )
        if self._calendar.ends_epoch(record.commit):
            if not self._console.is_terminal:
                print_line(self._console, self._epoch_line(self._epoch_records))
            self._epoch_records = []

    def evaluated(self, record: EvaluationRecord) -> None:
        self._tested = _in_short(record)
        self._progress.update(self._total, **self._run_fields())
        print_line(
            self._console,
            f"epoch {record.epoch:>3}/{self._epochs}  {_evaluation_text(record)}"
            f"{self._resolution_note(record)}",
        )

    def _resolution_note(self, record: EvaluationRecord) -> str:
        """Returns a note on the resolution, if there are several."""
        self._resolutions.add(record.resolution)
        return f"  ({record.resolution} pixels)" if len(self._resolutions) > 1 else ""

    def faulted(self, record: FaultRecord) -> None:
        print_line(self._console, record.message)

    def drifted(self, record: DriftRecord) -> None:
        factors = ", ".join(f"worker {w}: {f:.2f}" for w, f in enumerate(record.factors))
        if record.fits:
            advice = "the plan fits them again"
        elif record.plan is None:
            advice = f"no plan fits them: {record.problem}"
        else:
            shares = "; ".join(
                f"worker {w['worker']} {w['samples']} samples in batches of {w['batch']}"
                for w in record.plan["per_worker"]
            )
            advice = f"{'from now on' if record.adopted else 'a plan that fits'}: {shares}"
        print_line(self._console, f"step times relative to the time model: {factors}; {advice}")

    def planned_for_present(self, record: WorkersRecord) -> None:
        print_line(self._console, in_words(record, self._calendar.workers))
        if record.plan is None:
            return
        left = self._calendar.total - self._commits
        small = round(left * small_part(record.plan))
        for role, more in zip(("small", "large"), (small, left - small)):
            if role in self._bars:
                self._progress.update(self._bars[role], total=self._done[role] + more)

    def _epoch_line(self, records: Sequence[CommitRecord]) -> str:
        losses = "  ".join(
            f"{role} loss {sum(mine) / len(mine):.4f}"
            for role in ROLES
            if (mine := [record.train_loss for record in records if record.role == role])
        )
        last = records[-1]
        speed, left = self._pace.images_per_second, self._seconds_left()
        return (
            f"epoch {last.epoch:>3}/{self._epochs}  {losses}  lr {last.learning_rate:.3g}  "
            f"{speed or 0.0:,.0f} images/s  {'-' if left is None else format(left, '.0f')} s left"
        )

    def _run_fields(self) -> dict[str, Any]:
        """Returns what is shown beside the bar of the run."""
        speed, left = self._pace.images_per_second, self._seconds_left()
        facts = ["" if speed is None else f"{speed:,.0f} images/s", self._tested]
        return {
            "note": ", ".join(filter(None, facts)),
            "ends": None if left is None else time.monotonic() + left,
        }

    def _seconds_left(self) -> float | None:
        return self._pace.seconds_left(self._calendar.commits_left(self._commits))


def _in_short(record: EvaluationRecord) -> str:
    """Returns the accuracy of an evaluation, or else its loss."""
    if record.test_accuracy is None:
        return f"{record.split} loss {record.test_loss:.4g}"
    return f"{record.split} accuracy {record.test_accuracy:.2%}"


def _evaluation_text(record: EvaluationRecord) -> str:
    """Returns accuracy, loss and other metrics of an evaluation, as far as it has them."""
    accuracy = record.test_accuracy
    parts = [] if accuracy is None else [f"{record.split} accuracy {accuracy:7.2%}"]
    parts.append(f"{record.split} loss {record.test_loss:.4f}")
    parts += [
        f"{name} {'-' if value is None else format(value, '.4g')}"
        for name, value in record.test_metrics.items()
    ]
    return "  ".join(parts)
