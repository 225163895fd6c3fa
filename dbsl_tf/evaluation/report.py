"""Prints an evaluation."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from dbsl_tf.common.printing import print_line
from dbsl_tf.evaluation.scores import ClassScores, Scores

_SHOWN = 10


def print_scores(scores: ClassScores | Scores, console: Console) -> None:
    """Prints the totals and each class; of many classes only the worst."""
    metrics = "".join(
        f", {name} {'not a number' if value is None else format(value, '.4g')}"
        for name, value in scores.metrics.items()
    )
    if isinstance(scores, Scores):
        print_line(console, f"loss {scores.loss:.4f}{metrics} of {scores.samples:,} samples")
        return
    print_line(
        console,
        f"loss {scores.loss:.4f}, top-1 {scores.accuracy:.2%}, top-5 {scores.top5_accuracy:.2%}"
        f"{metrics} of {scores.samples:,} images",
    )
    table = Table()
    for heading in ("class", "images", "accuracy", "most often taken for"):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    known = [(a, label) for label, a in enumerate(scores.class_accuracies) if a is not None]
    if len(known) > _SHOWN:
        known = sorted(known)[:_SHOWN]
        table.title = f"the {_SHOWN} worst of {len(scores.class_names)} classes"
    for accuracy, label in known:
        row = scores.confusion[label].copy()
        images, row[label] = int(row.sum()), 0
        other = int(row.argmax())
        mistaken = f"{scores.class_names[other]} ({row[other]})" if row[other] else "-"
        table.add_row(scores.class_names[label], f"{images:,}", f"{accuracy:.2%}", mistaken)
    console.print(table)
