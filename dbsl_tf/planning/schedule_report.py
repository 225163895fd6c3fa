"""The plan of a whole run for people to read: a line a sub-stage, then what follows from it."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from dbsl_tf.common.terminal import narrow
from dbsl_tf.planning.advice import few_small_workers
from dbsl_tf.planning.progressive import PlannedSubStage, TrainingSchedule

_HEADINGS = (
    "epochs",
    "learning rate",
    "resolution",
    "dropout",
    "B_S",
    "B_L",
    "d_S",
    "d_L",
    "seconds",
)


def print_schedule(schedule: TrainingSchedule, console: Console | None = None) -> None:
    """Prints `schedule` to standard output or `console`, see `narrow`."""
    console = narrow(console)
    console.print(schedule_table(schedule))
    console.print(comparison_table(schedule))
    for sentence in _sentences(schedule):
        console.print(sentence)


def print_sub_stages(schedule: TrainingSchedule, console: Console | None = None) -> None:
    """Prints the table of `schedule` alone, likewise."""
    console = narrow(console)
    console.print(schedule_table(schedule))
    for sentence in _sentences(schedule):
        console.print(sentence)


def schedule_table(schedule: TrainingSchedule) -> Table:
    """Returns a table with a row for each sub-stage and one for the run.

    A line ends each pass from low to high resolution. Batches and samples are those of the first
    worker of a role.
    """
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_footer=True)
    several = _merges_differ(schedule)
    for heading in (*_HEADINGS[:1], *(["M"] if several else []), *_HEADINGS[1:]):
        table.add_column(heading, justify="right", overflow="fold")
    table.columns[0].footer = _epochs(1, schedule.epochs)
    table.columns[-1].footer = f"{schedule.predicted_seconds:,.1f}"
    before = None
    for part in schedule.sub_stages:
        if before is not None and part.sub_stage.resolution < before:
            table.add_section()
        before = part.sub_stage.resolution
        row = _row(part)
        often = [str(part.plan.mini_epochs)] if several else []
        table.add_row(*row[:1], *often, *row[1:])
    return table


def _merges_differ(schedule: TrainingSchedule) -> bool:
    return any(part.plan.mini_epochs != 1 for part in schedule.sub_stages)


def _row(part: PlannedSubStage) -> tuple[str, ...]:
    sub_stage, plan = part.sub_stage, part.plan
    rate = f"{sub_stage.learning_rate:.3g}"
    if sub_stage.last_learning_rate != sub_stage.learning_rate:
        rate += f" to {sub_stage.last_learning_rate:.2g}"
    return (
        _epochs(sub_stage.first_epoch, sub_stage.last_epoch),
        rate,
        str(sub_stage.resolution),
        f"{sub_stage.dropout:g}",
        _number(plan.small_batch),
        _number(plan.large_batch),
        _number(plan.small_samples),
        _number(plan.large_samples),
        f"{part.predicted_seconds:,.1f}",
    )


def _epochs(first: int, last: int) -> str:
    return f"{first}-{last}" if first < last else str(first)


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def comparison_table(schedule: TrainingSchedule) -> Table:
    """Returns a table of the time of the run beside that of runs without the hybrid."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("predicted for all epochs", overflow="fold")
    table.add_column("seconds", justify="right", overflow="fold")
    table.add_column("this run", justify="right", overflow="fold")
    throughout = f"resolution {schedule.highest_resolution} throughout"
    table.add_row("this run", f"{schedule.predicted_seconds:,.1f}", "")
    for name, seconds in (
        (f"plain dual-batch, {throughout}", schedule.plain_seconds),
        (f"large batches only, {throughout}", schedule.all_large_seconds),
    ):
        saved = 1 - schedule.predicted_seconds / seconds
        compared = f"{saved:.1%} less" if saved >= 0 else f"{-saved:.1%} more"
        table.add_row(name, f"{seconds:,.1f}", compared)
    return table


def _sentences(schedule: TrainingSchedule) -> list[str]:
    several = _merges_differ(schedule)
    sentences = [
        f"B is the batch size and d the number of samples per {'mini-' if several else ''}epoch of "
        "a small (S) or large (L) worker. Evaluation and changes of resolution are not counted."
    ]
    if several:
        sentences.append(
            "M is the number of mini-epochs of every worker in an epoch; where it is below 1, "
            "every worker trains all these epochs in one mini-epoch."
        )
    plans = schedule.plans.values()
    if any(len({worker.time_model for worker in plan.workers}) > 1 for plan in plans):
        sentences.append("Workers differ; the first of each kind is shown.")
    few = few_small_workers(schedule.plain.count("small"), len(schedule.plain.workers))
    return [*sentences, *([few] if few else [])]
