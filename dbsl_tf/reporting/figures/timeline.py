"""Draws a Gantt chart of what every worker did when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.palette import BLACK, INK, OTHER_FILL, ROLE_FILLS, WHITE
from dbsl_tf.planning.dual_batch import ROLES
from dbsl_tf.reporting.comparison import Group
from dbsl_tf.reporting.figures.style import (
    COLUMN,
    add_legend,
    wrapped,
)
from dbsl_tf.reporting.recorded_run import RecordedRun
from dbsl_tf.reporting.wording import time_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_BARS_WITH_EDGES = 24  # in a row that is one column wide
_EXCERPT = 10  # mini-epochs of a worker in the lower panel
_MOST_PATHS = 3000  # as vectors; more are drawn as an image
_BAR = 0.78  # of a row's height
_ROW_INCHES = 0.19
_EVALUATION_FILL: dict[str, Any] = {"facecolor": INK}
_FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "absent": ("worker lost", {"marker": "X", "color": BLACK}),
    "back": ("worker back", {"marker": "^", "color": BLACK}),
    "rejected": ("result rejected", {"marker": "D", "color": BLACK}),
}


def draw_timeline(groups: Sequence[Group], width: float = COLUMN) -> Figure:
    """Draws a panel for each run: a row for each worker, and one for the evaluations.

    A single run with many mini-epochs gets a second panel, which shows its beginning. Call it in
    `paper_style`.

    Raises:
        UserError: no run has a mini-epoch.
    """
    from matplotlib.figure import Figure

    runs = [run for group in groups for run in group.runs if run.mini_epochs]
    if not runs:
        raise UserError("no run has finished a mini-epoch yet; draw the timeline later")
    panels: list[tuple[RecordedRun, float | None]] = [(run, None) for run in runs]
    if len(runs) == 1 and _most_bars(runs[0]) > _bars_with_edges(width):
        panels.append((runs[0], _excerpt_end(runs[0])))
    rows = [run.workers + bool(run.watched) for run, _ in panels]
    titles = _titles(groups, panels, width)
    lines = sum(title.count("\n") + 1 for title in titles if title)
    height = (
        0.5
        + _ROW_INCHES * sum(rows)
        + 0.14 * lines
        + (0.36 if len(runs) == 1 else 0.14) * len(panels)
    )
    figure = Figure(figsize=(width, height), layout="constrained")
    every = figure.subplots(len(panels), 1, squeeze=False, height_ratios=rows)[:, 0]
    handles: dict[str, Any] = {}
    latest = max(run.wall_seconds or 0.0 for run in runs)
    for axes, (run, until), title in zip(every, panels, titles):
        end = latest if until is None else until
        _draw_run(axes, run, end, until is not None or _fits(run, width), handles)
        axes.set_title(title, loc="left", fontsize=7.5)
        if until is not None or axes is every[-1] or len(runs) == 1:
            axes.set_xlabel(f"training time ({time_unit(end)[1]})")
        elif len(runs) > 1:
            axes.tick_params(axis="x", labelbottom=False)
    labels = sorted(handles, key=_in_legend)
    add_legend(figure, [handles[label] for label in labels], labels, width)
    return figure


def _most_bars(run: RecordedRun) -> int:
    return -(-len(run.mini_epochs) // run.workers)


def _bars_with_edges(width: float) -> float:
    return _MOST_BARS_WITH_EDGES * width / COLUMN


def _fits(run: RecordedRun, width: float) -> bool:
    return _most_bars(run) <= _bars_with_edges(width)


def _excerpt_end(run: RecordedRun) -> float:
    """Returns the second at which every worker has done `_EXCERPT` mini-epochs."""
    ends = []
    for worker in {m.worker for m in run.mini_epochs}:
        own = [m.end for m in run.mini_epochs if m.worker == worker]
        ends.append(own[min(_EXCERPT, len(own)) - 1])
    return min(ends)


def _titles(
    groups: Sequence[Group], panels: Sequence[tuple[RecordedRun, float | None]], width: float
) -> list[str]:
    if len({run.path for run, _ in panels}) == 1:
        return ["", "the beginning"][: len(panels)]
    titles = []
    for group in groups:
        for run in group.runs:
            if run.mini_epochs:
                seed = f", seed {run.seed}" if len(group.runs) > 1 else ""
                unfinished = "" if run.finished else f" ({run.status})"
                titles.append(
                    wrapped(f"{group.label}{seed}{unfinished}", round(50 * width / COLUMN))
                )
    return titles


def _draw_run(
    axes: Axes, run: RecordedRun, end: float, with_edges: bool, handles: dict[str, Any]
) -> None:
    scale, _ = time_unit(end)
    edges: dict[str, Any] = {"edgecolor": INK, "linewidth": 0.4 if with_edges else 0.0}
    rasterized = len(run.mini_epochs) > _MOST_PATHS
    for worker, role in _roles(run).items():
        spans = [
            (m.begin / scale, m.seconds / scale)
            for m in run.mini_epochs
            if m.worker == worker and m.begin <= end
        ]
        bars = axes.broken_barh(
            spans,
            (worker - _BAR / 2, _BAR),
            **ROLE_FILLS.get(role, OTHER_FILL),
            **edges,
            rasterized=rasterized,
        )
        handles.setdefault(_role_label(role), bars)
    names = [f"{worker} {role}" for worker, role in _roles(run).items()]
    ticks = list(_roles(run))
    evaluations = [
        (e.begin / scale, max(e.end - e.begin, end / 400) / scale)
        for e in (*run.validations, *run.evaluations)
        if e.begin <= end
    ]
    if run.watched:
        row = run.workers
        bars = axes.broken_barh(evaluations, (row - _BAR / 2, _BAR), **_EVALUATION_FILL)
        where = "validation and test set" if run.validations else "test set"
        handles.setdefault(f"evaluation on the {where}", bars)
        names.append("eval." if run.validations else "test")
        ticks.append(row)
    axes.set_yticks(ticks, names)
    axes.set_ylim(max(ticks) + 0.6, -0.6)
    axes.set_xlim(0, end / scale)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right"]].set_visible(False)
    _mark_events(axes, run, end, scale, handles)


def _roles(run: RecordedRun) -> dict[int, str]:
    return dict(sorted({m.worker: m.role for m in run.mini_epochs}.items()))


def _role_label(role: str) -> str:
    return f"{role} batches" if role in ROLE_FILLS else "mini-epoch"


def _in_legend(label: str) -> int:
    """Returns a label's rank in the legend: roles first, in the order of the rows, then others."""
    first = [_role_label(role) for role in ROLES]
    return first.index(label) if label in first else len(first)


def _mark_events(
    axes: Axes, run: RecordedRun, end: float, scale: float, handles: dict[str, Any]
) -> None:
    for fault in run.faults:
        if fault.seconds > end:
            continue
        label, style = _FAULTS.get(fault.kind, (fault.kind, {"marker": "*", "color": BLACK}))
        (mark,) = axes.plot(
            [fault.seconds / scale],
            [fault.worker],
            linestyle="",
            markersize=5.5,
            markeredgecolor=WHITE,
            markeredgewidth=0.7,
            zorder=4,
            clip_on=False,
            **style,
        )
        handles.setdefault(label, mark)
    for resumption in run.resumptions:
        if resumption.seconds <= end:
            line = axes.axvline(
                resumption.seconds / scale, color=BLACK, linewidth=1.0, linestyle=(0, (2, 1))
            )
            handles.setdefault("resumed (the pause is left out)", line)
