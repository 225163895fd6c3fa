"""A plan for people to read: a table of the roles side by side, then what it comes to."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from dbsl_tf.planning.dual_batch import DualBatchPlan, WorkerPlan

WIDEST = 100

_ROWS: tuple[tuple[str, Callable[[WorkerPlan], str]], ...] = (
    ("batch", lambda worker: f"{worker.batch:,}"),
    ("samples in an epoch", lambda worker: f"{worker.samples:,}"),
    ("steps in an epoch", lambda worker: f"{worker.steps:,}"),
    ("last batch", lambda worker: f"{worker.last_batch:,}"),
    ("update factor", lambda worker: f"{worker.update_factor:.4f}"),
    ("predicted seconds", lambda worker: f"{worker.predicted_seconds:.3f}"),
)


def print_plan(plan: DualBatchPlan, console: Console | None = None) -> None:
    """Prints `plan`, at most `WIDEST` columns wide, to standard output or `console`."""
    console = console or Console()
    console.width = min(console.width, WIDEST)
    console.print(plan_table(plan))
    for sentence in plan_sentences(plan):
        console.print(sentence, highlight=False)


def plan_table(plan: DualBatchPlan) -> Table:
    """Returns a table with one row a figure: each role's worker beside the baseline's."""
    table = Table()
    columns = [worker for role in ("small", "large") if (worker := plan.first(role))]
    table.add_column("each worker")
    for worker in columns:
        table.add_column(f"{worker.role} batch", justify="right")
    table.add_column("baseline", justify="right")
    counts = [plan.count(worker.role) for worker in columns]
    table.add_row("how many", *map(str, counts), str(len(plan.workers)))
    for name, text in _ROWS:
        table.add_row(name, *(text(worker) for worker in [*columns, plan.baseline]))
    return table


def plan_sentences(plan: DualBatchPlan) -> list[str]:
    """Returns what the plan comes to, in plain sentences."""
    return [_time_sentence(plan), _samples_sentence(plan)]


def _time_sentence(plan: DualBatchPlan) -> str:
    if plan.count("small") == 0:
        return (
            "All workers have the large batch, so this is the baseline, and "
            "dual_batch.extra_time_ratio has no effect."
        )
    realised = plan.realised_extra_time_ratio
    text = (
        f"An epoch takes {realised:.3f} times as long as the baseline, all workers with the "
        f"large batch (asked: {plan.extra_time_ratio:g}; whole steps and batches make the "
        "difference)."
    )
    small, large = plan.predicted_small_seconds, plan.predicted_large_seconds
    if small is not None and large is not None:
        apart = abs(small - large) / max(small, large)
        text += f" Small and large workers finish within {apart:.1%} of each other."
    return text


def _samples_sentence(plan: DualBatchPlan) -> str:
    together = f"Together the workers train {plan.epoch_samples:,} samples in an epoch"
    if plan.epoch_samples == plan.samples:
        return f"{together}, the whole training set."
    return f"{together}; the training set has {plan.samples:,}, rounding is the difference."
