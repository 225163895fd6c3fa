"""Compares the time model with observed times: seconds of a batch over its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.palette import DARK, FAINT, line_style, marker_style
from dbsl_tf.planning.time_model import TimeModel
from dbsl_tf.reporting.comparison import Group
from dbsl_tf.reporting.figures.style import (
    COLUMN,
    add_legend,
    finish_axes,
)
from dbsl_tf.reporting.measures import Range, range_of, steady, worker_times
from dbsl_tf.reporting.recorded_run import MiniEpoch, RecordedRun

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_LINES = 4
_APART = 0.02  # distance of workers with the same batch, as a share of the axis


def draw_time_model(groups: Sequence[Group], width: float = COLUMN) -> Figure:
    """Draws measured times of a batch as points with their spread, and t(B) = a B + b as lines.

    A point is the median of the mini-epochs of one worker or, with several runs, of a group; its
    bar reaches from the tenth to the ninetieth percentile. Points that would overlap are placed
    side by side. Call it in `paper_style`.

    Raises:
        UserError: no run has recorded the time of its steps.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 2.3 * width / COLUMN), layout="constrained")
    axes = figure.subplots()
    points = _points(groups)
    if not points:
        raise UserError(
            "no run has recorded the time of its steps; training records it from the first "
            "mini-epoch on, but imported files do not have it"
        )
    reach = max(point.batch for point in points) * 1.08
    _draw_points(axes, points, reach)
    _draw_models(axes, groups, reach)
    finish_axes(axes)
    axes.set(
        xlabel="batch size, samples (mean of the steps)",
        ylabel="time of a batch (ms)",
        xlim=(0, reach),
    )
    axes.set_ylim(bottom=0)
    handles, labels = axes.get_legend_handles_labels()
    add_legend(figure, handles, labels, width)
    return figure


@dataclass(frozen=True)
class _Point:
    """Observed `seconds` of a batch of `batch` samples, under the label of a marker."""

    label: str
    batch: float
    seconds: Range


def _points(groups: Sequence[Group]) -> list[_Point]:
    """Returns one point for each worker of a single run, or for each group and batch size."""
    if len(groups) == 1 and len(groups[0].runs) == 1:
        run = groups[0].runs[0]
        sizes = len(run.resolutions) > 1
        return [
            _Point(_role_label(times.role, times.resolution if sizes else None), batch, seconds)
            for times in worker_times(run)
            if (batch := times.mean_batch) and (seconds := times.batch_seconds)
        ]
    found = []
    for group in groups:
        parts: dict[tuple, list[MiniEpoch]] = {}
        for run in group.runs:
            for m in steady(run.mini_epochs):
                if m.batch_seconds is not None and m.samples:
                    parts.setdefault((m.resolution or 0, m.role, m.batch), []).append(m)
        sizes = len(group.runs[0].resolutions) > 1
        for (resolution, role, _), part in sorted(parts.items()):
            label = group.label
            if len(groups) == 1:
                label = _role_label(role, resolution if sizes else None)
            batch = median([m.samples / m.steps for m in part if m.samples and m.steps])
            seconds = range_of([s for m in part if (s := m.batch_seconds) is not None])
            found.append(_Point(label, batch, seconds))
    return found


def _role_label(role: str, resolution: int | None) -> str:
    size = f", {resolution} px" if resolution else ""
    return f"measured, {role} batches{size}"


def _draw_points(axes: Axes, points: Sequence[_Point], reach: float) -> None:
    labels = list(dict.fromkeys(point.label for point in points))
    for index, label in enumerate(labels):
        own = [place for place, point in enumerate(points) if point.label == label]
        ranges = [points[place].seconds for place in own]
        axes.errorbar(
            [points[place].batch + reach * _APART * _shift(points, place, reach) for place in own],
            [1000 * seconds.median for seconds in ranges],
            yerr=(
                [1000 * (seconds.median - seconds.low) for seconds in ranges],
                [1000 * (seconds.high - seconds.median) for seconds in ranges],
            ),
            linestyle="",
            elinewidth=0.8,
            capsize=1.5,
            markersize=4.5,
            **marker_style(index),
            label=label,
            zorder=3,
        )


def _shift(points: Sequence[_Point], place: int, reach: float) -> float:
    """Returns the shift of a point among those of nearly the same batch size; 0 is the middle."""
    near = [
        index
        for index, point in enumerate(points)
        if abs(point.batch - points[place].batch) < _APART * reach
    ]
    # Many points would spread over the whole axis.
    return (near.index(place) - (len(near) - 1) / 2) * min(1.0, 5 / len(near))


def _draw_models(axes: Axes, groups: Sequence[Group], reach: float) -> None:
    models = _models(groups)
    if len(models) > _MOST_LINES:
        low = [model for model, _ in models]
        ends = [[1000 * model.batch_seconds(x) for model in low] for x in (0.0, reach)]
        axes.fill_between(
            [0.0, reach],
            [min(end) for end in ends],
            [max(end) for end in ends],
            color=FAINT,
            linewidth=0,
            label=f"predicted, a B + b of {len(models)} fits",
            zorder=1,
        )
        return
    for index, (model, label) in enumerate(models):
        a, b = 1000 * model.seconds_per_sample, 1000 * model.seconds_per_batch
        axes.plot(
            [0.0, reach],
            [b, a * reach + b],
            **{**line_style(index), "marker": None, "color": DARK},
            label=f"predicted{label}: {a:.3g} B + {b:.3g} ms",
            zorder=2,
        )


def _models(groups: Sequence[Group]) -> list[tuple[TimeModel, str]]:
    """Returns the time models of all runs, each pair of a and b once."""
    found: dict[tuple[float, float], tuple[TimeModel, str]] = {}
    for group in groups:
        for run in group.runs:
            for model, label in _models_of(run):
                key = (model.seconds_per_sample, model.seconds_per_batch)
                found.setdefault(key, (model, label))
    return list(found.values())


def _models_of(run: RecordedRun) -> list[tuple[TimeModel, str]]:
    found = []
    for resolution, models in run.time_models.items():
        size = f" at {resolution} px" if resolution and len(run.time_models) > 1 else ""
        different = len(set(models)) > 1
        found += [
            (model, f"{size}, worker {worker}" if different else size)
            for worker, model in enumerate(models)
        ]
    return found
