"""A sweep for people to read: a table, with a block for each number of small workers."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from dbsl_tf.common.terminal import Terminal
from dbsl_tf.planning.report import WIDEST
from dbsl_tf.planning.sweep import SweepCell, advice


def print_sweep(
    cells: Sequence[SweepCell], small_workers: int, console: Console | None = None
) -> None:
    """Prints a sweep and its advice, at most `WIDEST` columns wide.

    Args:
        cells: of `sweep`.
        small_workers: n_S of the configuration.
        console: where to; None: standard output.
    """
    console = console or Terminal()
    console.width = min(console.width, WIDEST)
    console.print(sweep_table(cells))
    console.print(advice(cells, small_workers))


def sweep_table(cells: Sequence[SweepCell]) -> Table:
    """Returns a table with a row for each n_S and k; where there is no plan it says so."""
    table = Table()
    for heading in (
        "small workers",
        "k",
        "small batch",
        "update factor",
        "small data",
        "seconds",
        "real k",
    ):
        table.add_column(heading, justify="right")
    table.columns[2].no_wrap = True  # it also tells why there is no plan
    shown = None
    for cell in cells:
        if shown not in (None, cell.small_workers):
            table.add_section()
        number = "" if shown == cell.small_workers else str(cell.small_workers)
        shown = cell.small_workers
        table.add_row(number, f"{cell.extra_time_ratio:g}", *_results(cell))
    return table


def _results(cell: SweepCell) -> tuple[str, ...]:
    plan = cell.plan
    if plan is None:
        return (cell.problem or "",)
    low, high = plan.small_batches
    return (
        f"{low:,}" if low == high else f"{low:,} to {high:,}",
        f"{plan.update_factor:.3f}",
        f"{plan.small_fraction:.1%}",
        f"{plan.epoch_seconds:.3f}",
        f"{plan.realised_extra_time_ratio:.3f}",
    )
