"""Prints the outcome of a run: results, plan and reality, and where the results are."""

from __future__ import annotations

from functools import partial
from typing import Any

from rich.console import Console
from rich.table import Table

from dbsl_tf.common.printing import print_line
from dbsl_tf.planning import DualBatchPlan
from dbsl_tf.planning.dual_batch import ROLES
from dbsl_tf.results.records import TEST, VALIDATION, Split
from dbsl_tf.results.run_directory import RunDirectory


def print_outcome(
    console: Console, plan: DualBatchPlan, summary: dict[str, Any], run: RunDirectory
) -> None:
    """Prints the results of a finished run."""
    line = partial(print_line, console)
    line("plan and what happened:")
    console.print(_table(plan, summary))
    line(
        f"extra time ratio k: planned {plan.realised_extra_time_ratio:.3f}, "
        f"estimated {_number(summary['realised_extra_time_ratio'])} at the large workers' speed; "
        f"load imbalance (small over large): {_number(summary['load_imbalance'])}"
    )
    line(
        f"{summary['samples']:,} samples in {summary['wall_seconds']:.1f} s: "
        f"{summary['images_per_second']:,.0f} images/s"
    )
    for split in (VALIDATION, TEST):
        if f"{split}_loss" in summary:
            line(_evaluated(summary, split))
    line(f"results: {run.path}")


def _evaluated(summary: dict[str, Any], split: Split) -> str:
    """Returns what came of it on a split."""
    accuracy = summary[f"{split}_accuracy"]
    parts = [] if accuracy is None else [f"{split} accuracy {accuracy:.2%}"]
    parts.append(f"{split} loss {summary[f'{split}_loss']:.4f}")
    for name, value in summary.get(f"{split}_metrics", {}).items():
        parts.append(f"{name} {'not a number' if value is None else format(value, '.4g')}")
    weights = summary.get(f"{split}_weights")
    return ", ".join(parts) + (f" ({weights})" if weights else "")


def _table(plan: DualBatchPlan, summary: dict[str, Any]) -> Table:
    """Returns a table with one row for each role."""
    table = Table()
    table.add_column("role")
    for heading in ("workers", "batch", "samples", "steps", "commits", "planned s", "median s"):
        table.add_column(heading, justify="right")
    for role in ROLES:
        worker = plan.first(role)
        if worker is None:
            continue
        measured = summary[f"median_{role}_seconds"]
        table.add_row(
            role,
            str(plan.count(role)),
            str(worker.batch),
            str(worker.samples),
            str(worker.steps),
            str(summary[f"{role}_mini_epochs"]),
            f"{worker.predicted_seconds:.3f}",
            "-" if measured is None else f"{measured:.3f}",
        )
    return table


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3f}"
