"""What a figure of loss, accuracy, learning rate or another metric shows, however it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from dbsl_tf.common.errors import UserError
from dbsl_tf.reporting.comparison import Group
from dbsl_tf.reporting.curves import (
    ACCURACY,
    LEARNING_RATE,
    LOSS,
    Against,
    Curve,
    drawn_metrics,
    group_curve,
    run_curves,
    validated,
)
from dbsl_tf.reporting.recorded_run import RecordedRun
from dbsl_tf.reporting.wording import time_unit


@dataclass(frozen=True)
class Stretch:
    """A part of the horizontal axis in which the images had one resolution."""

    begin: float
    end: float
    resolution: int


@dataclass(frozen=True)
class ProgressPlot:
    """Curves with their axes, in the units of these.

    Attributes:
        curves: at least one, in the order of the legend.
        x_label, y_label: of the axes.
        from_zero: whether the vertical axis begins at 0; the horizontal one always does.
        stretches: of a single run with several resolutions, from left to right.
        resumptions: where a single run was resumed.
        legend: whether there is more to tell apart than one curve.
    """

    curves: Sequence[Curve]
    x_label: str
    y_label: str
    from_zero: bool
    stretches: Sequence[Stretch] = ()
    resumptions: Sequence[float] = ()
    legend: bool = True


def progress_plot(groups: Sequence[Group], metric: str, against: Against) -> ProgressPlot:
    """Returns the curves of one run, or one curve for each group with its standard deviation.

    For one run these are the test set and the training of both roles; for several, the test set or,
    if no group has been evaluated, the training of every run.

    Raises:
        UserError: nothing that could be drawn was recorded.
    """
    single = len(groups) == 1 and len(groups[0].runs) == 1
    curves, on_test = _curves(groups, metric, against, single)
    if not curves:
        raise UserError(_nothing_recorded([run for group in groups for run in group.runs], metric))
    scale, unit = (1.0, "")
    if against == "time":
        scale, unit = time_unit(max(curve.x[-1] for curve in curves))
    run = groups[0].runs[0] if single else None
    return ProgressPlot(
        curves=[_scaled(curve, scale, 100.0 if metric == ACCURACY else 1.0) for curve in curves],
        x_label=f"training time ({unit})" if against == "time" else "epochs",
        y_label=_y_label(groups, metric, on_test and not single),
        from_zero=metric in (LOSS, LEARNING_RATE),
        stretches=_stretches(run, against, scale) if run else (),
        resumptions=_resumptions(run, against, scale) if run else (),
        legend=len(curves) > 1 or single,
    )


def _curves(
    groups: Sequence[Group], metric: str, against: Against, single: bool
) -> tuple[list[Curve], bool]:
    """Returns the curves to draw, and whether they show evaluations."""
    if single:
        return run_curves(groups[0].runs[0], metric, against), True
    curves = [curve for group in groups if (curve := group_curve(group, metric, against)).x]
    if curves:
        return curves, True
    training = [
        Curve(f"{group.label}: {curve.label}", curve.x, curve.y)
        for group in groups
        for run in group.runs
        for curve in run_curves(run, metric, against)
    ]
    return training, False


def _scaled(curve: Curve, scale: float, factor: float) -> Curve:
    return Curve(
        curve.label,
        tuple(value / scale for value in curve.x),
        tuple(factor * value for value in curve.y),
        tuple(factor * value for value in curve.deviations),
    )


def _nothing_recorded(runs: Sequence[RecordedRun], metric: str) -> str:
    found = drawn_metrics(runs)
    if metric not in found and any(run.mini_epochs or run.watched for run in runs):
        return f"no run has recorded {metric}: draw {' or '.join(found)}"
    return f"no run has recorded {metric} yet: draw it once a mini-epoch or an evaluation is done"


def _y_label(groups: Sequence[Group], metric: str, on_test: bool) -> str:
    if metric == LEARNING_RATE:
        return metric
    split = "validation" if validated(groups) else "test"
    if split == "test" and any(validated([group]) for group in groups):
        split = "test or validation"
    what = f"{split} {metric}" if on_test else metric
    if metric == ACCURACY:
        return f"{what} (%)"
    default = all(run.config.get("training.loss") is None for g in groups for run in g.runs)
    return f"{what} (cross-entropy)" if metric == LOSS and default else what


def _stretches(run: RecordedRun, against: Against, scale: float) -> list[Stretch]:
    if len(run.resolutions) < 2:
        return []
    found = []
    begin = 0.0
    for resolution, part in groupby(run.mini_epochs, key=lambda m: m.resolution):
        own = list(part)
        end = max(m.end for m in own) / scale
        if against == "epoch":
            end = run.calendar.position(own[-1].commit)
        found.append(Stretch(begin, end, resolution or 0))
        begin = end
    return found


def _resumptions(run: RecordedRun, against: Against, scale: float) -> list[float]:
    return [
        resumption.seconds / scale
        if against == "time"
        else run.calendar.position(resumption.commit)
        for resumption in run.resumptions
    ]
