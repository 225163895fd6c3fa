"""Shows the batch noise scale over a run, beside the batches that were trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.palette import limit_style, line_style
from dbsl_tf.reporting.comparison import Group
from dbsl_tf.reporting.figures.style import COLUMN, add_legend, finish_axes
from dbsl_tf.reporting.noise import trained_batches

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_batch_noise(groups: Sequence[Group], width: float = COLUMN) -> Figure:
    """Draws B_noise over epochs, with its bounds, for each run that has measured it.

    The batches are shown for a single run. Call it in `paper_style`.

    Raises:
        UserError: no run has measured it.
    """
    from matplotlib.figure import Figure

    runs = [(group, run) for group in groups for run in group.runs if run.noises]
    if not runs:
        raise UserError(
            "no run has measured its batch noise: train with dual_batch.measure_noise=true"
        )
    figure = Figure(figsize=(width, 2.3 * width / COLUMN), layout="constrained")
    axes = figure.subplots()
    axes.set_yscale("log")
    for index, (group, run) in enumerate(runs):
        epochs = [record.epoch for record in run.noises]
        low, middle, high = (
            [_drawable(getattr(record, name)) for record in run.noises]
            for name in ("low", "noise", "high")
        )
        style = line_style(index)
        label = group.label if len(runs) > 1 else "batch noise scale, 95 % bounds"
        axes.plot(epochs, middle, **style, label=label)
        axes.vlines(epochs, low, high, color=style["color"], linewidth=0.6)
    if len(runs) == 1:
        for number, (role, batch) in enumerate(trained_batches(runs[0][1]).items()):
            style = {**limit_style(), "linestyle": ("--", ":")[number]}
            axes.axhline(batch, **style, label=f"{role} batch, {batch}")
    finish_axes(axes)
    axes.set(xlabel="epochs", ylabel="samples")
    handles, labels = axes.get_legend_handles_labels()
    add_legend(figure, handles, labels, width)
    return figure


def _drawable(value: float | None) -> float:
    """Returns a value for a logarithmic axis; NaN, which leaves a gap, where there is none."""
    return value if value else math.nan
