"""A plan for people to read: a table of roles or workers, then what follows from it."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from dbsl_tf.common.terminal import narrow
from dbsl_tf.planning.advice import few_small_workers
from dbsl_tf.planning.dual_batch import ROLES, DualBatchPlan, WorkerPlan

# Name beside one role, heading above one worker a line, text.
_FIGURES: tuple[tuple[str, str, Callable[[WorkerPlan], str]], ...] = (
    ("batch", "batch", lambda worker: f"{worker.batch:,}"),
    ("samples per epoch", "samples", lambda worker: f"{worker.samples:,}"),
    ("steps per epoch", "steps", lambda worker: f"{worker.steps:,}"),
    ("last batch", "last", lambda worker: f"{worker.last_batch:,}"),
    ("update factor", "factor", lambda worker: f"{worker.update_factor:.4f}"),
    ("predicted seconds", "seconds", lambda worker: f"{worker.predicted_seconds:.3f}"),
)
_OVERHEAD = ("of which overhead", "overhead", lambda worker: f"{worker.overhead_seconds:.3f}")


def print_plan(plan: DualBatchPlan, console: Console | None = None) -> None:
    """Prints `plan` to standard output or `console`, see `narrow`."""
    console = narrow(console)
    equal = len({worker.time_model for worker in plan.workers}) == 1
    console.print(role_table(plan) if equal else worker_table(plan))
    for sentence in plan_sentences(plan):
        console.print(sentence)


def role_table(plan: DualBatchPlan) -> Table:
    """Returns a table with one row a figure: each role's worker beside the baseline's.

    It shows the first worker of a role.
    """
    table = Table()
    columns = [worker for role in ROLES if (worker := plan.first(role))]
    table.add_column("each worker")
    for worker in columns:
        table.add_column(f"{worker.role} batch", justify="right")
    table.add_column("baseline", justify="right")
    counts = [plan.count(worker.role) for worker in columns]
    table.add_row("how many", *map(str, counts), str(len(plan.workers)))
    if plan.mini_epochs != 1:
        often = str(plan.mini_epochs)
        table.add_row("mini-epochs per epoch", *[often] * (len(columns) + 1))
    for name, _, text in _figures(plan):
        if plan.mini_epochs != 1:
            name = name.replace("per epoch", "per mini-epoch")
        table.add_row(name, *(text(worker) for worker in [*columns, plan.baseline]))
    return table


def worker_table(plan: DualBatchPlan) -> Table:
    """Returns a table with one row a worker, for workers that differ."""
    table = Table()
    table.add_column("index", justify="right")
    table.add_column("role")
    figures = _figures(plan)
    for _, heading, _ in figures:
        table.add_column(heading, justify="right")
    for worker in plan.workers:
        table.add_row(str(worker.index), worker.role, *(text(worker) for *_, text in figures))
    return table


def _figures(plan: DualBatchPlan) -> list[tuple[str, str, Callable[[WorkerPlan], str]]]:
    return [*_FIGURES, _OVERHEAD] if plan.overhead_seconds > 0 else [*_FIGURES]


def plan_sentences(plan: DualBatchPlan) -> list[str]:
    """Returns the result of the plan, and what there is to say against it, in plain sentences."""
    few = few_small_workers(plan.count("small"), len(plan.workers))
    sentences = [*merging_sentences(plan), _time_sentence(plan), _samples_sentence(plan)]
    return [*sentences, *([few] if few else [])]


def merging_sentences(plan: DualBatchPlan) -> list[str]:
    """Returns how long a mini-epoch is, unless it is an epoch."""
    if plan.mini_epochs == 1:
        return []
    if plan.mini_epochs > 1:
        return [f"An epoch has {plan.mini_epochs} mini-epochs of every worker."]
    return [f"Every worker trains {1 / plan.mini_epochs} epochs in one mini-epoch."]


def _time_sentence(plan: DualBatchPlan) -> str:
    if plan.count("small") == 0:
        return (
            "All workers have the large batch, so this is the baseline, and "
            "dual_batch.extra_time_ratio has no effect."
        )
    seconds = [worker.predicted_seconds for worker in plan.workers]
    realised = plan.realised_extra_time_ratio
    text = (
        f"An epoch takes {realised:.3f} times as long as the baseline, all workers with the large "
        f"batch (requested: {plan.extra_time_ratio:g}; rounding to whole steps and batches makes "
        "the difference)."
    )
    if plan.count("large") > 0 or len(set(seconds)) > 1:
        apart = 1 - min(seconds) / max(seconds)
        text += f" All workers finish within {apart:.1%} of each other."
    return text


def _samples_sentence(plan: DualBatchPlan) -> str:
    together = f"Together the workers train on {plan.epoch_samples:,} samples per epoch"
    if plan.epoch_samples == plan.samples:
        return f"{together}, the whole training set."
    return f"{together}; the training set has {plan.samples:,}, and rounding makes the difference."
