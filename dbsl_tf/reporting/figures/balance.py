"""Shows whether workers finish together: the spread of their mini-epochs' times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.palette import BLACK, OTHER_FILL, ROLE_FILLS, WHITE
from dbsl_tf.planning.dual_batch import ROLES
from dbsl_tf.reporting.comparison import Group
from dbsl_tf.reporting.figures.style import (
    COLUMN,
    add_legend,
    finish_axes,
    wrapped,
)
from dbsl_tf.reporting.recorded_run import MiniEpoch, RecordedRun

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LABEL_CHARACTERS = 22  # of a row, beside the axes
_LINE_INCHES = 0.14
_GAP_INCHES = 0.09


@dataclass(frozen=True)
class _Row:
    label: str
    role: str
    seconds: tuple[float, ...]
    planned: float | None


def draw_balance(groups: Sequence[Group], width: float = COLUMN) -> Figure:
    """Draws the times of mini-epochs as boxes, for each worker or for each group's roles.

    A box holds the middle half, its line is the median, its whiskers reach from the fifth to the
    ninety-fifth percentile, and the diamond is the time model's prediction. Call it in
    `paper_style`.

    Raises:
        UserError: no run has a mini-epoch.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    single = len(groups) == 1 and len(groups[0].runs) == 1
    rows = _worker_rows(groups[0].runs[0]) if single else _group_rows(groups)
    if not rows:
        raise UserError("no run has finished a mini-epoch yet; draw the balance later")
    labels = [wrapped(row.label, round(_LABEL_CHARACTERS * width / COLUMN)) for row in rows]
    heights = [_LINE_INCHES * (label.count("\n") + 1) + _GAP_INCHES for label in labels]
    figure = Figure(figsize=(width, 0.5 + sum(heights)), layout="constrained")
    axes = figure.subplots()
    middles = _draw_rows(axes, rows, heights)
    axes.set_yticks(middles, labels)
    axes.set_ylim(sum(heights), 0)
    axes.set_xlim(left=0)
    axes.set_xlabel("time of a mini-epoch (s)")
    finish_axes(axes)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    roles = [role for role in ROLES if any(row.role == role for row in rows)]
    handles: list[Artist] = [
        Patch(edgecolor=BLACK, linewidth=0.7, **ROLE_FILLS[role]) for role in roles
    ]
    names = [f"{role} batches" for role in roles]
    if any(row.planned is not None for row in rows):
        handles.append(Line2D([], [], **_PLANNED))
        names.append("time model")
    add_legend(figure, handles, names, width)
    return figure


_PLANNED: dict[str, Any] = {
    "marker": "D",
    "linestyle": "",
    "markersize": 4.5,
    "markerfacecolor": WHITE,
    "markeredgecolor": BLACK,
    "markeredgewidth": 0.9,
}


def _draw_rows(axes: Axes, rows: Sequence[_Row], heights: Sequence[float]) -> list[float]:
    """Draws the boxes from top to bottom; returns the middle of each row."""
    middles, above = [], 0.0
    for row, height in zip(rows, heights):
        middle = above + height / 2
        boxes = axes.boxplot(
            [row.seconds],
            positions=[middle],
            widths=0.13,
            orientation="horizontal",
            whis=(5, 95),
            showfliers=False,
            patch_artist=True,
            manage_ticks=False,
            boxprops={"linewidth": 0.7},
            medianprops={"color": BLACK, "linewidth": 1.4},
            whiskerprops={"linewidth": 0.7},
            capprops={"linewidth": 0.7},
        )
        for box in boxes["boxes"]:
            box.set(**ROLE_FILLS.get(row.role, OTHER_FILL))
        if row.planned is not None:
            axes.plot([row.planned], [middle], zorder=4, **_PLANNED)
        middles.append(middle)
        above += height
    return middles


def _worker_rows(run: RecordedRun) -> list[_Row]:
    parts: dict[tuple[int, int, str], list[MiniEpoch]] = {}
    for mini_epoch in run.alike_mini_epochs:
        key = (mini_epoch.resolution or 0, mini_epoch.worker, mini_epoch.role)
        parts.setdefault(key, []).append(mini_epoch)
    return [
        _row(f"worker {worker}{_size(run, resolution)}", role, [(run, m) for m in own])
        for (resolution, worker, role), own in sorted(parts.items())
    ]


def _group_rows(groups: Sequence[Group]) -> list[_Row]:
    rows = []
    for group in groups:
        parts: dict[tuple[int, str], list[tuple[RecordedRun, MiniEpoch]]] = {}
        for run in group.runs:
            for mini_epoch in run.alike_mini_epochs:
                key = (mini_epoch.resolution or 0, mini_epoch.role)
                parts.setdefault(key, []).append((run, mini_epoch))
        order = sorted(parts, key=lambda key: (key[0], key[1] != "small"))
        rows += [
            _row(f"{group.label}: {key[1]}{_size(group.runs[0], key[0])}", key[1], parts[key])
            for key in order
        ]
    return rows


def _size(run: RecordedRun, resolution: int) -> str:
    return f", {resolution} px" if len(run.resolutions) > 1 else ""


def _row(label: str, role: str, found: Sequence[tuple[RecordedRun, MiniEpoch]]) -> _Row:
    planned = [
        model.mini_epoch_seconds(m.samples, m.batch)
        for run, m in found
        if m.samples and m.batch and (model := run.time_model(m.worker, m.resolution))
    ]
    return _Row(
        label, role, tuple(m.seconds for _, m in found), median(planned) if planned else None
    )
