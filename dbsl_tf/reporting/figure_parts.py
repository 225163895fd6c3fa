"""Figures as parts of a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dbsl_tf.common.errors import UserError
from dbsl_tf.reporting.comparison import Group
from dbsl_tf.reporting.curves import Against, Metric
from dbsl_tf.reporting.figures.inline_svg import inline_svg
from dbsl_tf.reporting.figures.progress_curves import draw_progress
from dbsl_tf.reporting.figures.style import paper_style
from dbsl_tf.reporting.markup import Markup, element, together

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_AXES = {"epoch": "epochs", "time": "training time"}


def figure_part(
    draw: Callable[[], Figure], name: str, caption: str, class_: str = "narrow"
) -> Markup:
    """A figure with its caption; a sentence where the runs have not recorded what it shows.

    Args:
        draw: draws it.
        name: unique in the page.
        caption: below it.
        class_: `narrow`, or `wide` for the whole width.
    """
    try:
        with paper_style():
            drawing = Markup(inline_svg(draw(), name, caption))
    except UserError as error:
        drawing = element("p", f"No figure: {error}.")
    return element("figure", drawing, element("figcaption", caption), class_=class_)


def progress_parts(groups: Sequence[Group], name: str) -> Markup:
    """Accuracy and loss, over epochs and over time."""
    metrics: tuple[Metric, ...] = ("accuracy", "loss")
    axes: tuple[Against, ...] = ("epoch", "time")
    return side_by_side(
        *(
            figure_part(
                lambda metric=metric, against=against: draw_progress(groups, metric, against),
                f"{name}-{metric}-{against}",
                f"{metric.capitalize()} over {_AXES[against]}",
            )
            for metric in metrics
            for against in axes
        )
    )


def side_by_side(*figures: Markup) -> Markup:
    """Figures beside each other where there is room."""
    return element("div", together(*figures), class_="figures")
