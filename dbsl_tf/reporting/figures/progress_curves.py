"""Draws loss, accuracy, learning rate or another metric over epochs or over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dbsl_tf.common.figure_files import literal
from dbsl_tf.common.palette import DARK, PALE, line_style
from dbsl_tf.reporting.comparison import Group
from dbsl_tf.reporting.curves import Against, Curve
from dbsl_tf.reporting.figures.style import COLUMN, add_legend, finish_axes, marked_points
from dbsl_tf.reporting.progress import Stretch, progress_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NARROWEST_BAND = 0.09  # share of the axis that leaves room for a resolution


def draw_progress(
    groups: Sequence[Group], metric: str, against: Against, width: float = COLUMN
) -> Figure:
    """Draws a `progress_plot`; call it in `paper_style`.

    Raises:
        UserError: nothing that could be drawn was recorded.
    """
    from matplotlib.figure import Figure

    plot = progress_plot(groups, metric, against)
    figure = Figure(figsize=(width, 2.3 * width / COLUMN), layout="constrained")
    axes = figure.subplots()
    for index, curve in enumerate(plot.curves):
        _draw(axes, curve, index)
    finish_axes(axes)
    axes.set_xlabel(literal(plot.x_label))
    axes.set_ylabel(literal(plot.y_label))
    axes.set_xlim(left=0)
    if plot.from_zero:
        axes.set_ylim(bottom=0)
    _mark_resolutions(axes, plot.stretches)
    _mark_resumptions(axes, plot.resumptions)
    if plot.legend:
        handles, labels = axes.get_legend_handles_labels()
        add_legend(figure, handles, labels, width)
    return figure


def _draw(axes: Axes, curve: Curve, index: int) -> None:
    style = line_style(index)
    axes.plot(
        curve.x,
        curve.y,
        **style,
        markevery=marked_points(len(curve.x), index),
        label=curve.label,
        zorder=3 - index / 100,
    )
    if curve.deviations:
        low = [value - deviation for value, deviation in zip(curve.y, curve.deviations)]
        high = [value + deviation for value, deviation in zip(curve.y, curve.deviations)]
        axes.fill_between(curve.x, low, high, color=style["color"], alpha=0.18, linewidth=0)


def _mark_resolutions(axes: Axes, stretches: Sequence[Stretch]) -> None:
    """Shades every other period of one resolution, and writes the resolution above it."""
    right = axes.get_xlim()[1]
    for number, part in enumerate(stretches):
        if number % 2:
            axes.axvspan(part.begin, part.end, color=PALE, linewidth=0, zorder=0)
        if (part.end - part.begin) / right > _NARROWEST_BAND:
            axes.annotate(
                f"{part.resolution} px",
                ((part.begin + part.end) / 2, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(0, 1.5),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=6.5,
            )


def _mark_resumptions(axes: Axes, resumptions: Sequence[float]) -> None:
    for number, at in enumerate(resumptions):
        axes.axvline(
            at,
            color=DARK,
            linewidth=0.8,
            linestyle=(0, (1, 1.5)),
            label="resumed here" if number == 0 else None,
        )
