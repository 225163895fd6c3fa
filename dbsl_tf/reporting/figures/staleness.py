"""Shows how stale the weights were that the workers started from."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.palette import BLACK, ROLE_FILLS
from dbsl_tf.planning.dual_batch import ROLES
from dbsl_tf.reporting.figures.style import COLUMN, add_legend, finish_axes
from dbsl_tf.reporting.recorded_run import RecordedRun

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_staleness(run: RecordedRun, width: float = COLUMN) -> Figure:
    """Draws how many mini-epochs of each role had each staleness. Call it in `paper_style`.

    Raises:
        UserError: the run has not recorded staleness.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    counts = {
        role: Counter(
            m.staleness for m in run.mini_epochs if m.role == role and m.staleness is not None
        )
        for role in ROLES
    }
    counts = {role: count for role, count in counts.items() if count}
    if not counts:
        raise UserError("the run has recorded no staleness")
    figure = Figure(figsize=(width, 2.0 * width / COLUMN), layout="constrained")
    axes = figure.subplots()
    most = max(max(count) for count in counts.values())
    bar = 0.8 / len(counts)
    for index, (role, count) in enumerate(counts.items()):
        # Not every value up to the highest: a damaged file may hold a huge one.
        axes.bar(
            [value - 0.4 + bar * (index + 0.5) for value in count],
            list(count.values()),
            width=bar,
            edgecolor=BLACK,
            linewidth=0.6,
            label=f"{role} batches",
            **ROLE_FILLS[role],
        )
    finish_axes(axes)
    axes.grid(False, axis="x")
    axes.set(xlabel="commits between pull and merge", ylabel="mini-epochs")
    axes.set_xlim(-0.6, most + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    handles, labels = axes.get_legend_handles_labels()
    add_legend(figure, handles, labels, width)
    return figure
