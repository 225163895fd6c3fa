"""What training needs to know about a data set, whatever kind of files it consists of."""

from __future__ import annotations

from typing import Any, Protocol


class DatasetSpec(Protocol):
    """An image classification data set.

    `RecordDataset` describes those of the catalogue, `ImageFolder` one in image files.

    Attributes:
        name: the value of `data.name`.
        classes: number of classes; labels are 0 … classes − 1.
        train_samples, test_samples: images in the training and in the test set.
        mean, standard_deviation: per channel (red, green, blue), of the training pixels / 255.
        image_size: default height and width of the images in pixels.
    """

    @property
    def name(self) -> str: ...

    @property
    def classes(self) -> int: ...

    @property
    def train_samples(self) -> int: ...

    @property
    def test_samples(self) -> int: ...

    @property
    def mean(self) -> tuple[float, float, float]: ...

    @property
    def standard_deviation(self) -> tuple[float, float, float]: ...

    @property
    def image_size(self) -> int: ...


def dataset_facts(spec: DatasetSpec) -> dict[str, Any]:
    """Returns what a trained model needs to know about its data, as JSON values."""
    return {
        "name": spec.name,
        "classes": spec.classes,
        "train_samples": spec.train_samples,
        "test_samples": spec.test_samples,
        "mean": list(spec.mean),
        "standard_deviation": list(spec.standard_deviation),
    }
