"""The elements of the page: sentences, tables and figures. templates/ says how they look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from markupsafe import Markup

from dbsl_tf.common.errors import UserError
from dbsl_tf.reporting.comparison import Group
from dbsl_tf.reporting.curves import ACCURACY, LOSS, Against, drawn_metrics
from dbsl_tf.reporting.figures.inline_svg import inline_svg
from dbsl_tf.reporting.figures.progress_curves import draw_progress
from dbsl_tf.reporting.figures.style import paper_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_AXES = {"epoch": "epochs", "time": "training time"}


@dataclass(frozen=True)
class Table:
    """A table whose rows begin with their headings.

    Attributes:
        caption: the text above the table.
        headings: the headings of the columns; empty to show none.
        rows: rows of cells; None is shown as a dash.
        texts: how many columns from the left hold text; the others hold numbers.
        keys: whether the row headings are configuration keys.
    """

    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[object]]
    texts: int = 1
    keys: bool = False


# A text is a paragraph.
Part = Table | str


@dataclass(frozen=True)
class FigurePart:
    """A figure with its caption.

    Attributes:
        caption: the text below the figure.
        drawing: the figure as SVG; None if the runs have not recorded what it shows.
        problem: why there is no drawing.
        wide: whether it takes the whole width.
    """

    caption: str
    drawing: Markup | None = None
    problem: str = ""
    wide: bool = False


def figure_part(
    draw: Callable[[], Figure], name: str, caption: str, wide: bool = False
) -> FigurePart:
    """Draws a figure of the page.

    Args:
        draw: the function that draws it.
        name: unique in the page.
        caption, wide: see `FigurePart`.
    """
    try:
        with paper_style():
            return FigurePart(caption, inline_svg(draw(), name, caption), wide=wide)
    except UserError as error:
        return FigurePart(caption, problem=str(error), wide=wide)


def progress_parts(groups: Sequence[Group], name: str) -> list[FigurePart]:
    """Returns accuracy, loss and other metrics, over epochs and over time."""
    axes: tuple[Against, ...] = ("epoch", "time")
    metrics = drawn_metrics([run for group in groups for run in group.runs])
    return [
        figure_part(
            partial(draw_progress, groups, metric, against),
            # The name of a metric may have any signs.
            f"{name}-{metric if metric in (ACCURACY, LOSS) else f'metric-{number}'}-{against}",
            f"{metric[:1].upper()}{metric[1:]} over {_AXES[against]}",
        )
        for number, metric in enumerate(metrics)
        for against in axes
    ]
