"""Clusters of several sizes as a picture: time of an epoch and staleness."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dbsl_tf.common.figure_files import save_figure
from dbsl_tf.common.palette import DARK, FAINT, limit_style, line_style
from dbsl_tf.simulation.scaling import ScalePoint, saturation

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_scaling(points: Sequence[ScalePoint], path: Path) -> None:
    """Draws time of an epoch and staleness over the number of workers, and the saturation.

    Raises:
        UserError: the file cannot be written, or its name ends in no known format.
    """
    from matplotlib.figure import Figure

    done = [(point.workers, point.outcome) for point in points if point.outcome is not None]
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    time, staleness = figure.subplots(1, 2)
    workers = [workers for workers, _ in done]
    time.plot(workers, [outcome.epoch_seconds for _, outcome in done], **line_style(0))
    time.set_ylabel("time of an epoch (s)")
    time.set_yscale("log")
    means = [outcome.mean_staleness for _, outcome in done]
    highest = [outcome.staleness_percentiles[99] for _, outcome in done]
    staleness.plot(workers, means, **line_style(0), label="mean")
    staleness.plot(workers, highest, **line_style(1), label="99 % at most")
    staleness.set_ylabel("staleness (commits)")
    if means[0] > 0:
        staleness.set_yscale("log")
    at = saturation(points)
    for axes in (time, staleness):
        _finish(axes, at)
    staleness.legend(frameon=False)
    save_figure(figure, path)


def _finish(axes: Axes, saturated_at: float | None) -> None:
    axes.set_xlabel("workers $n$")
    axes.set_xscale("log")
    axes.grid(True, which="major", color=FAINT)
    axes.spines[["top", "right"]].set_visible(False)
    if saturated_at is not None:
        axes.axvline(saturated_at, **limit_style())
        axes.annotate(
            f"parameter servers\nsaturate: n ≈ {saturated_at:,.0f}",
            (saturated_at, 0.04),
            xycoords=("data", "axes fraction"),
            xytext=(4, 0),
            textcoords="offset points",
            va="bottom",
            color=DARK,
        )
