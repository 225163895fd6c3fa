"""The scores of an evaluation. No TensorFlow."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Scores:
    """An evaluation of a network that does not tell classes apart.

    Attributes:
        samples: evaluated.
        loss: the mean.
        metrics: the others by name; None where a value is not a finite number.
    """

    samples: int
    loss: float
    metrics: Mapping[str, float | None]

    def as_dict(self) -> dict[str, Any]:
        """Returns all of it as JSON may hold it."""
        return {"samples": self.samples, "loss": self.loss, "metrics": dict(self.metrics)}


@dataclass(frozen=True)
class ClassScores:
    """An evaluation of a network on labelled images.

    Attributes:
        class_names: one for each class, in the order of the labels.
        loss: the mean.
        top5: number of images whose class is among the five with the highest logits.
        confusion: images by true class (rows) and predicted class (columns), integers
            [classes, classes].
        metrics: as in `Scores`.
    """

    class_names: Sequence[str]
    loss: float
    top5: int
    confusion: np.ndarray
    metrics: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        """Images evaluated."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Top-1 accuracy: share of images whose class has the highest logit, 0 to 1."""
        return float(self.confusion.trace() / self.samples)

    @property
    def top5_accuracy(self) -> float:
        """Share of images whose class is among the five with the highest logits, 0 to 1."""
        return self.top5 / self.samples

    @property
    def class_accuracies(self) -> list[float | None]:
        """Share of each class that is classified correctly, 0 to 1; None for one without images."""
        counts = zip(self.confusion.diagonal().tolist(), self.confusion.sum(axis=1).tolist())
        return [correct / samples if samples else None for correct, samples in counts]

    def as_dict(self) -> dict[str, Any]:
        """Returns everything as JSON values."""
        samples = self.confusion.sum(axis=1).tolist()
        return {
            "samples": self.samples,
            "loss": self.loss,
            "accuracy": self.accuracy,
            "top5_accuracy": self.top5_accuracy,
            **({"metrics": dict(self.metrics)} if self.metrics else {}),
            "classes": [
                {"name": name, "samples": count, "accuracy": accuracy}
                for name, count, accuracy in zip(self.class_names, samples, self.class_accuracies)
            ],
            "confusion": self.confusion.tolist(),
        }

    def to_csv(self) -> str:
        """Returns one line per class: its accuracy, then its images by predicted class."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        predicted = [f"predicted {name}" for name in self.class_names]
        writer.writerow(["class", "samples", "accuracy", *predicted])
        for name, accuracy, row in zip(
            self.class_names, self.class_accuracies, self.confusion.tolist()
        ):
            writer.writerow([name, sum(row), "" if accuracy is None else accuracy, *row])
        return text.getvalue()
