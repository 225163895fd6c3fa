"""The kinds of figures by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dbsl_tf.reporting.comparison import Group
from dbsl_tf.reporting.curves import ACCURACY, LEARNING_RATE, LOSS, Against
from dbsl_tf.reporting.figures.balance import draw_balance
from dbsl_tf.reporting.figures.batch_noise import draw_batch_noise
from dbsl_tf.reporting.figures.progress_curves import draw_progress
from dbsl_tf.reporting.figures.time_model import draw_time_model
from dbsl_tf.reporting.figures.timeline import draw_timeline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRIC = "metric"
_LEARNING_RATE = "learning-rate"
CURVES = (ACCURACY, LOSS, _LEARNING_RATE, METRIC)
BATCH_NOISE = "batch-noise"
KINDS = (*CURVES, "timeline", "time-model", "balance", BATCH_NOISE)


def drawn(kind: str, metric: str) -> str:
    """Returns what the curves of a kind of `CURVES` show; see `draw`."""
    return {METRIC: metric, _LEARNING_RATE: LEARNING_RATE}.get(kind, kind)


def draw(
    kind: str, groups: Sequence[Group], against: Against = "epoch", metric: str = ""
) -> Figure:
    """Draws a figure one column wide; call it in `style.paper_style`.

    Args:
        kind: one of `KINDS`.
        groups: the runs to draw.
        against: for `CURVES`, whether to draw over epochs or over time.
        metric: for `METRIC`, its name.

    Raises:
        UserError: the runs have not recorded what the figure shows.
    """
    match kind:
        case _ if kind in CURVES:
            return draw_progress(groups, drawn(kind, metric), against)
        case "timeline":
            return draw_timeline(groups)
        case "time-model":
            return draw_time_model(groups)
        case "balance":
            return draw_balance(groups)
        case _ if kind == BATCH_NOISE:
            return draw_batch_noise(groups)
    raise ValueError(f"no kind of figure: {kind}")
