"""Draws an evaluation: the confusion matrix and the accuracy of each class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dbsl_tf.common.figure_files import literal, save_figure
from dbsl_tf.common.palette import BLACK, MIDDLE, SHARES, WHITE
from dbsl_tf.evaluation.scores import ClassScores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# With more classes than this, their numbers and names would not be legible.
_NUMBERED = 20
_NAMED = 40


def plot_scores(scores: ClassScores, title: str, path: Path) -> None:
    """Draws an evaluation to a file, in the format that its suffix names.

    Raises:
        UserError: the file cannot be written, or its suffix is not that of a known format.
    """
    from matplotlib.figure import Figure

    classes = len(scores.class_names)
    height = max(4.2, min(0.32 * classes + 1.6, 11))
    figure = Figure(figsize=(height + 4, height), layout="constrained")
    matrix, bars = figure.subplots(1, 2, width_ratios=[height, 3], sharey=True)
    _draw_matrix(figure, matrix, scores)
    _draw_accuracies(bars, scores)
    figure.suptitle(
        f"{literal(title)}\ntop-1 {scores.accuracy:.2%}, top-5 {scores.top5_accuracy:.2%}, "
        f"loss {scores.loss:.4f}, {scores.samples:,} images",
        fontsize="medium",
    )
    save_figure(figure, path)


def _draw_matrix(figure: Figure, axes: Axes, scores: ClassScores) -> None:
    classes = len(scores.class_names)
    shares = scores.confusion / scores.confusion.sum(axis=1, keepdims=True).clip(min=1)
    image = axes.imshow(shares, cmap=SHARES, vmin=0, vmax=1, aspect="auto")
    figure.colorbar(image, ax=axes, label="share of the true class", fraction=0.05, pad=0.02)
    if classes <= _NUMBERED:
        for true, row in enumerate(scores.confusion.tolist()):
            for predicted, count in enumerate(row):
                if count:
                    shade = WHITE if shares[true, predicted] > 0.5 else BLACK
                    axes.text(
                        predicted, true, f"{count}", ha="center", va="center", color=shade,
                        fontsize=7 if classes > 10 else 8,
                    )  # fmt: skip
    if classes <= _NAMED:
        rotation = 90 if max(len(name) for name in scores.class_names) > 3 else 0
        names = [literal(name) for name in scores.class_names]
        axes.set_xticks(range(classes), names, rotation=rotation)
        axes.set_yticks(range(classes), names)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")


def _draw_accuracies(axes: Axes, scores: ClassScores) -> None:
    accuracies = [100 * (accuracy or 0.0) for accuracy in scores.class_accuracies]
    axes.barh(range(len(accuracies)), accuracies, color=MIDDLE, height=0.8)
    axes.axvline(100 * scores.accuracy, color=BLACK, linestyle="--", linewidth=1)
    axes.set_xlim(0, 100)
    axes.set_xlabel("accuracy of the class (%)\ndashed: all classes")
    axes.tick_params(labelleft=False)
    axes.spines[["top", "right"]].set_visible(False)
