"""Draws loss, accuracy or another metric over epochs or over time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.figure_files import literal
from dbsl_tf.common.palette import DARK, PALE, line_style
from dbsl_tf.reporting.comparison import Group
from dbsl_tf.reporting.curves import (
    ACCURACY,
    LOSS,
    Against,
    Curve,
    drawn_metrics,
    group_curve,
    run_curves,
    validated,
)
from dbsl_tf.reporting.figures.style import (
    COLUMN,
    add_legend,
    finish_axes,
    marked_points,
    time_unit,
)
from dbsl_tf.reporting.recorded_run import RecordedRun

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NARROWEST_BAND = 0.09  # share of the axis that leaves room for a resolution


def draw_progress(
    groups: Sequence[Group], metric: str, against: Against, width: float = COLUMN
) -> Figure:
    """Draws the curves of one run, or one curve for each group with its standard deviation.

    For one run it draws the test set and the training of both roles; for several, the test set or,
    if no group has been evaluated, the training of every run. Call it in `paper_style`.

    Raises:
        UserError: nothing that could be drawn was recorded.
    """
    from matplotlib.figure import Figure

    single = len(groups) == 1 and len(groups[0].runs) == 1
    curves, on_test = _curves(groups, metric, against, single)
    if not curves:
        raise UserError(_nothing_recorded([run for group in groups for run in group.runs], metric))
    scale, unit = (1.0, "")
    if against == "time":
        scale, unit = time_unit(max(curve.x[-1] for curve in curves))
    figure = Figure(figsize=(width, 2.3 * width / COLUMN), layout="constrained")
    axes = figure.subplots()
    factor = 100.0 if metric == ACCURACY else 1.0
    for index, curve in enumerate(curves):
        _draw(axes, curve, index, scale, factor)
    finish_axes(axes)
    axes.set_xlabel(f"training time ({unit})" if against == "time" else "epochs")
    axes.set_ylabel(_y_label(groups, metric, on_test and not single))
    axes.set_xlim(left=0)
    if metric == LOSS:
        axes.set_ylim(bottom=0)
    if single:
        _mark_resolutions(axes, groups[0].runs[0], against, scale)
        _mark_resumptions(axes, groups[0].runs[0], against, scale)
    if len(curves) > 1 or single:
        handles, labels = axes.get_legend_handles_labels()
        add_legend(figure, handles, labels, width)
    return figure


def _curves(
    groups: Sequence[Group], metric: str, against: Against, single: bool
) -> tuple[list[Curve], bool]:
    """Returns the curves to draw, and whether they show evaluations."""
    if single:
        return run_curves(groups[0].runs[0], metric, against), True
    curves = [curve for group in groups if (curve := group_curve(group, metric, against)).x]
    if curves:
        return curves, True
    training = [
        Curve(f"{group.label}: {curve.label}", curve.x, curve.y)
        for group in groups
        for run in group.runs
        for curve in run_curves(run, metric, against)
    ]
    return training, False


def _draw(axes: Axes, curve: Curve, index: int, scale: float, factor: float) -> None:
    x = [value / scale for value in curve.x]
    y = [factor * value for value in curve.y]
    style = line_style(index)
    axes.plot(
        x,
        y,
        **style,
        markevery=marked_points(len(x), index),
        label=curve.label,
        zorder=3 - index / 100,
    )
    if curve.deviations:
        low = [value - factor * deviation for value, deviation in zip(y, curve.deviations)]
        high = [value + factor * deviation for value, deviation in zip(y, curve.deviations)]
        axes.fill_between(x, low, high, color=style["color"], alpha=0.18, linewidth=0)


def _nothing_recorded(runs: Sequence[RecordedRun], metric: str) -> str:
    found = drawn_metrics(runs)
    if metric not in found and any(run.mini_epochs or run.watched for run in runs):
        return f"no run has recorded {metric}: draw {' or '.join(found)}"
    return f"no run has recorded {metric} yet: draw it once a mini-epoch or an evaluation is done"


def _y_label(groups: Sequence[Group], metric: str, on_test: bool) -> str:
    split = "validation" if validated(groups) else "test"
    if split == "test" and any(validated([group]) for group in groups):
        split = "test or validation"
    what = literal(f"{split} {metric}" if on_test else metric)
    if metric == ACCURACY:
        return f"{what} (%)"
    default = all(run.config.get("training.loss") is None for g in groups for run in g.runs)
    return f"{what} (cross-entropy)" if metric == LOSS and default else what


def _mark_resolutions(axes: Axes, run: RecordedRun, against: Against, scale: float) -> None:
    """Shades every other period of one resolution, and writes the resolution above it."""
    if len(run.resolutions) < 2:
        return
    end = axes.get_xlim()[1]
    stretches = [list(part) for _, part in groupby(run.mini_epochs, key=lambda m: m.resolution)]
    begin = 0.0
    for number, part in enumerate(stretches):
        last = part[-1]
        stop = max(m.end for m in part) / scale if against == "time" else last.commit / run.workers
        if number % 2:
            axes.axvspan(begin, stop, color=PALE, linewidth=0, zorder=0)
        if (stop - begin) / end > _NARROWEST_BAND:
            axes.annotate(
                f"{last.resolution} px",
                ((begin + stop) / 2, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(0, 1.5),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=6.5,
            )
        begin = stop


def _mark_resumptions(axes: Axes, run: RecordedRun, against: Against, scale: float) -> None:
    for number, resumption in enumerate(run.resumptions):
        at = resumption.seconds / scale if against == "time" else resumption.commit / run.workers
        axes.axvline(
            at,
            color=DARK,
            linewidth=0.8,
            linestyle=(0, (1, 1.5)),
            label="resumed here" if number == 0 else None,
        )
