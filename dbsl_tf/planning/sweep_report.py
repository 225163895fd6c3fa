"""A sweep for people to read: a table, with a block for each number of small workers."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from dbsl_tf.common.terminal import narrow
from dbsl_tf.planning.advice import few_small_workers
from dbsl_tf.planning.report import merging_sentences
from dbsl_tf.planning.sweep import SweepCell, advice, advised
from dbsl_tf.planning.within import Choice


def print_sweep(
    cells: Sequence[SweepCell],
    small_workers: int,
    choice: Choice | None = None,
    console: Console | None = None,
) -> None:
    """Prints a sweep and its advice, see `narrow`.

    Args:
        cells: of `sweep`.
        small_workers: n_S of the configuration.
        choice: a plan of the sweep, which is marked; None: the advised one, which is put in words.
        console: where to; None: standard output.
    """
    console = narrow(console)
    if choice is None:
        console.print(sweep_table(cells, advised(cells, small_workers)))
        console.print(advice(cells, small_workers))
    else:
        small_workers, ratio = choice.small_workers, choice.extra_time_ratio
        marked = next(
            cell
            for cell in cells
            if (cell.small_workers, cell.extra_time_ratio) == (small_workers, ratio)
        )
        console.print(sweep_table(cells, marked))
    plan = next((cell.plan for cell in cells if cell.plan is not None), None)
    for sentence in merging_sentences(plan) if plan else ():
        console.print(f"{sentence} Seconds are those of an epoch.")
    few = few_small_workers(small_workers, max(cell.small_workers for cell in cells))
    if few:
        console.print(few)


def sweep_table(cells: Sequence[SweepCell], marked: SweepCell | None = None) -> Table:
    """Returns a table with a row for each n_S and k; where there is no plan it says so.

    Args:
        cells: of `sweep`.
        marked: one of them.
    """
    table = Table()
    for heading in (
        "small workers",
        "k",
        "small batch",
        "update factor",
        "small data",
        "seconds",
        "real k",
        "choice",
    ):
        table.add_column(heading, justify="right")
    table.columns[2].no_wrap = True  # it also tells why there is no plan
    shown = None
    for cell in cells:
        if shown not in (None, cell.small_workers):
            table.add_section()
        number = "" if shown == cell.small_workers else str(cell.small_workers)
        shown = cell.small_workers
        table.add_row(
            number,
            f"{cell.extra_time_ratio:g}",
            *_results(cell),
            *(["*"] if cell is marked else []),
        )
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
