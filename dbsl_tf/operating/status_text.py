"""The status of a run as people read it."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dbsl_tf.operating.resuming import words_of
from dbsl_tf.operating.status import RunStatus, WorkerStatus
from dbsl_tf.reporting.recorded_run import Evaluation
from dbsl_tf.reporting.wording import number, percent, seconds
from dbsl_tf.results.present_workers import in_words
from dbsl_tf.results.run_directory import RunDirectory


def status_text(status: RunStatus) -> RenderableType:
    """Returns the whole status, to be printed."""
    parts: list[RenderableType] = [Text(line) for line in head_lines(status)]
    if status.goes_on:
        parts.append(_workers(status))
    if status.faults:
        shown = len(status.last_faults)
        more = f", the last {shown}" if shown < status.faults else ""
        parts.append(Text(f"faults: {status.faults}{more}"))
        parts += [Text(f"  after commit {f.commit}: {f.message}") for f in status.last_faults]
    return Group(*parts)


def head_lines(status: RunStatus) -> Iterator[str]:
    """Yields what there is to say of the run as a whole, in lines."""
    yield f"{status.run}: {condition_text(status)}"
    yield _progress(status)
    if status.evaluation:
        yield f"last evaluation: {_evaluated(status.evaluation)}"
    absent = [f"worker {w.worker} ({w.absent})" for w in status.workers if w.absent]
    if absent:
        yield f"left out: {', '.join(absent)}"
    if status.plan_for_present and status.goes_on:
        yield f"workers: {_present(status)}{in_words(status.plan_for_present, len(status.workers))}"
    if status.live and status.live.metrics and status.goes_on:
        yield f"metrics: {status.live.metrics}"


def condition_text(status: RunStatus) -> str:
    """Returns whether the run goes on, or how it ended, in words."""
    if status.live:
        return words_of(RunDirectory(status.run), status.live)
    return status.condition or "it is not recorded whether it goes on (there is no live.json)"


def _present(status: RunStatus) -> str:
    """Returns how many workers are there, for what follows; empty if it is not known."""
    states = [worker.state for worker in status.workers]
    if None in states:
        return ""
    return f"{states.count('present')} of {len(states)} are there; "


def _progress(status: RunStatus) -> str:
    epochs = "" if status.epochs is None else f"/{status.epochs}"
    parts = [f"epoch {status.epoch}{epochs}, commit {status.commits}"]
    if status.of_commits:
        done = status.commits / status.of_commits
        parts[0] += f" of {status.of_commits} ({100 * done:.0f} %)"
    if status.images_per_second is not None:
        parts.append(f"{number(status.images_per_second, 0)} images/s")
    if status.goes_on and status.seconds_left is not None:
        parts.append(f"{seconds(status.seconds_left)} left")
    if status.seconds is not None:
        parts.append(f"{seconds(status.seconds)} trained")
    return "; ".join(parts)


def _evaluated(evaluation: Evaluation) -> str:
    split = evaluation.split
    parts = [f"epoch {evaluation.epochs:g}"]
    if evaluation.test_accuracy is not None:
        parts.append(f"{split} accuracy {percent(evaluation.test_accuracy)}")
    parts.append(f"{split} loss {evaluation.test_loss:.4g}")
    for name, value in evaluation.test_metrics.items():
        parts.append(f"{name} {'-' if value is None else format(value, '.4g')}")
    return ", ".join(parts)


def _workers(status: RunStatus) -> Table:
    table = Table()
    for heading in ("worker", "role"):
        table.add_column(heading)
    for heading in ("batch", "mini-epochs", "s each", "last one ended"):
        table.add_column(heading, justify="right")
    table.add_column("now")
    for worker in status.workers:
        ago = seconds(worker.since_last)
        cells = (
            str(worker.worker),
            worker.role,
            None if worker.batch is None else str(worker.batch),
            str(worker.mini_epochs),
            number(worker.mini_epoch_seconds),
            ago and f"{ago} ago",
            _now(worker),
        )
        table.add_row(*(Text(cell or "-") for cell in cells))
    return table


def _now(worker: WorkerStatus) -> str | None:
    if worker.absent:
        return f"left out: {worker.absent}"
    if worker.state == "present" and worker.task_seconds is not None:
        return f"{seconds(worker.task_seconds)} at its present task"
    return "takes part" if worker.state == "present" else None
