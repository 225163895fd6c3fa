"""Shows progress during training: live bars in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from dbsl_tf.common.printing import print_line
from dbsl_tf.planning import DualBatchPlan
from dbsl_tf.planning.dual_batch import ROLES
from dbsl_tf.results.records import CommitRecord, DriftRecord, EvaluationRecord, FaultRecord


class _Note(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(task.fields.get("note", ""))


class Display:
    """Shows a run's progress; a context manager and an observer of the run.

    In a terminal there is one bar for the run, with epoch, images per second, test accuracy (the
    test loss if there is none) and the time left, and one bar for each role with its loss.
    Elsewhere, one line is printed for each epoch and each evaluation.

    Args:
        console: where to show it.
        plan: the plan, which says what roles there are.
        epochs: epochs of the run.
        before: commits of the run from before this process started.
    """

    def __init__(
        self,
        console: Console,
        plan: DualBatchPlan,
        epochs: int,
        before: Sequence[CommitRecord] = (),
    ) -> None:
        self._console = console
        self._workers = len(plan.workers)
        self._epochs = epochs
        self._recent: deque[tuple[float, int]] = deque([(time.monotonic(), 0)], maxlen=64)
        in_mid_epoch = len(before) % self._workers
        self._epoch_records = list(before[len(before) - in_mid_epoch :])
        self._done: dict[str, int] = {role: sum(r.role == role for r in before) for role in ROLES}
        self._tested = ""
        self._resolutions: set[int] = set()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            _Note(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._total = self._progress.add_task(
            f"epoch 1/{epochs}", total=epochs * self._workers, completed=len(before)
        )
        self._bars: dict[str, TaskID] = {
            role: self._progress.add_task(
                f"{role} workers",
                total=epochs * plan.count(role),
                completed=self._done[role],
            )
            for role in ROLES
            if plan.count(role)
        }

    def __enter__(self) -> Display:
        self._recent[0] = (time.monotonic(), 0)
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def committed(self, record: CommitRecord) -> None:
        self._recent.append((time.monotonic(), record.samples))
        self._epoch_records.append(record)
        self._done[record.role] += 1
        self._progress.update(
            self._total,
            completed=record.commit,
            description=f"epoch {record.epoch}/{self._epochs}",
            note=self._run_note(),
        )
        self._progress.update(
            self._bars[record.role],
            completed=self._done[record.role],
            note=f"B={record.batch} loss {record.train_loss:.3f} lr {record.learning_rate:.3g}",
        )
        if record.commit % self._workers == 0:
            if not self._console.is_terminal:
                print_line(self._console, self._epoch_line(self._epoch_records))
            self._epoch_records = []

    def evaluated(self, record: EvaluationRecord) -> None:
        self._tested = (
            f", {record.split} loss {record.test_loss:.4g}"
            if record.test_accuracy is None
            else f", {record.split} accuracy {record.test_accuracy:.2%}"
        )
        self._progress.update(self._total, note=self._run_note())
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

    def _epoch_line(self, records: Sequence[CommitRecord]) -> str:
        losses = "  ".join(
            f"{role} loss {sum(mine) / len(mine):.4f}"
            for role in ROLES
            if (mine := [record.train_loss for record in records if record.role == role])
        )
        last = records[-1]
        left = self._seconds_left(last.commit)
        return (
            f"epoch {last.epoch:>3}/{self._epochs}  {losses}  lr {last.learning_rate:.3g}  "
            f"{self._images_per_second():,.0f} images/s  {left:.0f} s left"
        )

    def _run_note(self) -> str:
        return f"{self._images_per_second():,.0f} images/s{self._tested}"

    def _images_per_second(self) -> float:
        seconds = self._recent[-1][0] - self._recent[0][0]
        return sum(samples for _, samples in list(self._recent)[1:]) / max(seconds, 1e-9)

    def _seconds_left(self, commit: int) -> float:
        seconds = self._recent[-1][0] - self._recent[0][0]
        per_commit = seconds / max(1, len(self._recent) - 1)
        return per_commit * (self._epochs * self._workers - commit)


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
