"""A profile as a picture: times that were measured and the lines through them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from dbsl_tf.common.figure_files import save_figure
from dbsl_tf.common.palette import line_style
from dbsl_tf.profiling.fitting import combined
from dbsl_tf.profiling.profile_file import Profile, ResolutionTimes, WorkerTimes

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

_MOST_CURVES = 6
_MOST_MARKERS = 20
_ROUND_NUMBER = 10_000  # samples, where the size of an epoch is not known


@dataclass(frozen=True)
class _Curve:
    label: str
    times: ResolutionTimes | WorkerTimes
    number: int = 0
    of: int = 1  # curves in all


def plot_profile(profile: Profile, path: Path) -> None:
    """Draws time per batch and time per epoch against the batch size, points and fit.

    One curve for each resolution; with one resolution only, one for each worker. The size of an
    epoch is `settings["epoch_samples"]`, else a round number of samples is drawn.

    Args:
        profile: what to draw.
        path: file to write, ending with one of `dbsl_tf.common.figure_files.FORMATS`.

    Raises:
        UserError: the ending is another, or the file cannot be written.
    """
    import numpy as np
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.6), layout="constrained")
    batch_axes, epoch_axes = figure.subplots(1, 2)
    samples = profile.settings.get("epoch_samples")
    for curve in _curves(profile):
        _draw(batch_axes, curve, _batch_milliseconds, np.linspace)
        _draw(epoch_axes, curve, partial(_epoch_seconds, samples), np.geomspace)
    _finish_batch(batch_axes)
    _finish_epoch(epoch_axes, samples)
    handles, labels = batch_axes.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=2 if len(labels) == 4 else min(3, len(labels)),
        frameon=False,
    )
    figure.suptitle(_title(profile))
    save_figure(figure, path)


def _batch_milliseconds(batches: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    return seconds * 1000


def _epoch_seconds(samples: int | None, batches: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    return seconds / batches * (samples or _ROUND_NUMBER)


def _curves(profile: Profile) -> list[_Curve]:
    entries: list[tuple[str, ResolutionTimes | WorkerTimes]]
    if len(profile.fits) > 1:
        entries = [(f"resolution {times.resolution}", times) for times in profile.fits]
    else:
        times = profile.fits[0]
        entries = [(worker.host or f"worker {worker.worker}", worker) for worker in times.workers]
        if not 1 <= len(entries) <= _MOST_CURVES:
            entries = [(f"mean of {len(entries)} workers" if entries else "measured", times)]
    entries = entries[:_MOST_CURVES]
    return [
        _Curve(label, times, number, len(entries)) for number, (label, times) in enumerate(entries)
    ]


def _draw(
    axes: Axes,
    curve: _Curve,
    value: Callable[[np.ndarray, np.ndarray], np.ndarray],
    spaced: Callable[[float, float, int], np.ndarray],
) -> None:
    """Draws the fit, the median of each size as a marker, and repeated points as dots.

    Args:
        axes: to draw on.
        curve: what to draw.
        value: of batch sizes and seconds of a batch, the heights to draw.
        spaced: numpy's linspace or geomspace, after the scale of the batch sizes.
    """
    import numpy as np

    times, number = curve.times, curve.number
    style = line_style(number)
    layer = 3 - number / 10
    batches = np.array([point.batch for point in times.points], float)
    seconds = np.array([point.seconds for point in times.points])
    line = np.geomspace(batches.min(), batches.max(), 200)
    heights = value(line, times.a * line + times.b)
    axes.plot(line, heights, **{**style, "marker": None}, zorder=layer)
    typical = combined(times.points, median)
    if len(typical) < len(batches):
        heights = value(batches, seconds)
        axes.plot(batches, heights, ".", color=style["color"], markersize=3, alpha=0.5)
    shown = _apart([point.batch for point in typical], spaced)
    if isinstance(times, WorkerTimes) and len(shown) > _MOST_MARKERS // 2:
        # Workers that are alike lie upon each other: they take turns to show a size.
        shown = shown[number :: curve.of]
    batches = np.array([typical[index].batch for index in shown], float)
    seconds = np.array([typical[index].seconds for index in shown])
    axes.plot(
        batches,
        value(batches, seconds),
        **{**style, "linestyle": ""},
        markersize=5.5,
        zorder=layer,
    )
    # One entry for both: the line and its markers.
    axes.plot([], [], **style, label=f"{curve.label}: {_equation(times)}")


def _apart(sizes: Sequence[int], spaced: Callable[[float, float, int], np.ndarray]) -> list[int]:
    """Returns which sizes to draw: the ends, and between them few enough to stay apart."""
    if len(sizes) <= _MOST_MARKERS:
        return list(range(len(sizes)))
    wanted = spaced(sizes[0], sizes[-1], _MOST_MARKERS)
    return sorted({_nearest(sizes, at) for at in wanted})


def _nearest(sizes: Sequence[int], at: float) -> int:
    return min(range(len(sizes)), key=lambda index: abs(sizes[index] - at))


def _equation(times: ResolutionTimes | WorkerTimes) -> str:
    sign = "+" if times.b >= 0 else "−"
    return f"{times.a * 1000:.3g} B {sign} {abs(times.b) * 1000:.3g} ms"


def _finish_batch(axes: Axes) -> None:
    axes.set(xlabel="batch size B, samples", ylabel="time of a batch, ms", xlim=0, ylim=0)
    axes.set_title("time per batch", fontsize="medium")
    axes.grid(alpha=0.3)


def _finish_epoch(axes: Axes, samples: int | None) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

    axes.set(
        xlabel="batch size B, samples (logarithmic)",
        ylabel=f"time of {samples or _ROUND_NUMBER:,} samples on one worker, s",
        xscale="log",
        ylim=0,
    )
    smallest, largest = axes.get_xlim()
    powers = [2**power for power in range(21) if smallest <= 2**power <= largest]
    axes.xaxis.set_major_locator(FixedLocator(powers[:: 1 + len(powers) // 11]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_title(
        "time per epoch" if samples else f"time per {_ROUND_NUMBER:,} samples", fontsize="medium"
    )
    axes.grid(alpha=0.3)


def _title(profile: Profile) -> str:
    settings, machine = profile.settings, profile.machine
    parts = [settings.get("model"), settings.get("precision"), machine.get("device")]
    title = ", ".join(str(part) for part in parts if part) or str(settings.get("source", "profile"))
    return f"{title}: measured times and the fit a B + b"
