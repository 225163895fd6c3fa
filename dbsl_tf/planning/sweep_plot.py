"""A sweep as a picture: small batch, and data in small batches, over k."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dbsl_tf.common.figure_files import save_figure
from dbsl_tf.common.palette import FAINT, limit_style, line_style
from dbsl_tf.planning.advice import LEAST_ADVISED_BATCH
from dbsl_tf.planning.dual_batch import DualBatchPlan
from dbsl_tf.planning.sweep import SweepCell

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_sweep(cells: Sequence[SweepCell], path: Path) -> None:
    """Draws a sweep to a file, in the format its name ends in, with a line for each n_S.

    Raises:
        UserError: the file cannot be written, or its name ends in no known format.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.6), layout="constrained")
    batches, fractions = figure.subplots(1, 2)
    _draw_lines(batches, cells, lambda plan: plan.small_batches[0])
    _draw_lines(fractions, cells, lambda plan: 100 * plan.small_fraction)
    _finish_batches(batches)
    fractions.set_ylabel("data trained in small batches, $n_S d_S / d$ (%)")
    fractions.set_ylim(0, 105)
    for axes in (batches, fractions):
        axes.set_xlabel("extra training time ratio $k$, as requested (1 = large batches only)")
        axes.grid(True, which="major", color=FAINT)
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = batches.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(6, len(labels)))
    save_figure(figure, path)


def _draw_lines(
    axes: Axes, cells: Sequence[SweepCell], height: Callable[[DualBatchPlan], float]
) -> None:
    for index, small_workers in enumerate(sorted({cell.small_workers for cell in cells})):
        planned = [
            (cell.extra_time_ratio, height(cell.plan))
            for cell in cells
            if cell.small_workers == small_workers and cell.plan is not None
        ]
        axes.plot(
            [ratio for ratio, _ in planned],
            [value for _, value in planned],
            **line_style(index),
            markersize=5,
            label=f"$n_S$ = {small_workers}",
        )


def _finish_batches(axes: Axes) -> None:
    from matplotlib.ticker import NullFormatter, StrMethodFormatter

    axes.set_ylabel("small batch $B_S$ (samples)")
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.axhline(
        LEAST_ADVISED_BATCH,
        **limit_style(),
        label=f"$B_S$ = {LEAST_ADVISED_BATCH}",
    )
