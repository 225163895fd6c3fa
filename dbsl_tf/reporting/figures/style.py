"""The style that all figures of a report share: sizes, type, legends."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dbsl_tf.common.figure_files import literal
from dbsl_tf.common.palette import FAINT

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN = 3.5  # inches: a column of a two-column paper
PAGE = 7.2  # both columns

_SETTINGS: dict[Any, Any] = {
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.5,
    "hatch.linewidth": 0.4,
    "pdf.fonttype": 42,  # letters stay text
    "svg.hashsalt": "dbsl_tf",  # the same figure is the same file
}
_CHARACTERS_AN_INCH = 21  # in the legend's type, on average
_LONGEST_LINE = 52  # characters that fit in a column beside a legend key
_LINE_INCHES = 0.145
_MOST_POINTS_MARKED = 12


@contextmanager
def paper_style() -> Iterator[None]:
    """Sets type sizes and line widths for a paper while figures are drawn and saved."""
    import matplotlib

    with matplotlib.rc_context(_SETTINGS):
        yield


def marked_points(points: int, index: int) -> slice | None:
    """Returns which points of a line get a marker: few, and not those of its neighbours."""
    step = -(-points // _MOST_POINTS_MARKED)
    return slice(index % step if step else 0, None, max(1, step))


def typeset(label: str) -> str:
    """Returns a label with its symbols, such as n_S and B_L, as mathematics."""
    return re.sub(r"\b([nBd])_([SL])\b", r"$\1_\2$", literal(label))


def wrapped(label: str, width: int) -> str:
    """Returns a label in lines of up to `width` characters, typeset; longer words are cut."""
    return typeset("\n".join(_lines(label, width)))


def _lines(label: str, width: int) -> list[str]:
    """Returns the lines; a value stays on the line of its symbol."""
    kept = label.replace(" = ", "\0=\0")
    return [line.replace("\0", " ") for line in textwrap.wrap(kept, width)]


def add_legend(
    figure: Figure, handles: Sequence[Artist], labels: Sequence[str], width: float
) -> None:
    """Puts a legend below all axes and makes the figure higher by the legend's height.

    Args:
        figure: a figure with the constrained layout.
        handles: the handles of the entries.
        labels: the labels of the entries, not typeset.
        width: the width of the figure in inches.
    """
    if not handles:
        return
    most = round(_LONGEST_LINE * width / COLUMN)
    lines = [wrapped(label, most) for label in labels]
    longest = max(len(line) for label in labels for line in _lines(label, most) or [""])
    columns = max(1, int(width * _CHARACTERS_AN_INCH // (longest + 8)))
    rows = -(-len(lines) // columns)
    columns = -(-len(lines) // rows)
    # Handles fill the columns from the top, so the highest entry of a row counts.
    grid = [lines[column * rows : (column + 1) * rows] for column in range(columns)]
    heights = [
        max(cells[row].count("\n") + 1 for cells in grid if row < len(cells)) for row in range(rows)
    ]
    figure.set_figheight(figure.get_figheight() + _LINE_INCHES * sum(heights) + 0.08)
    figure.legend(
        handles,
        lines,
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        handlelength=2.6,
        columnspacing=1.2,
        borderaxespad=0.2,
    )


def finish_axes(axes: Axes) -> None:
    """Draws a faint grid, and removes the frame from sides without a scale."""
    axes.grid(True, color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
