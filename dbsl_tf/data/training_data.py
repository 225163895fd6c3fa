"""What training needs to know of its data, whatever they are and wherever they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from dbsl_tf.common.errors import UserError

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class StreamSettings:
    """How the training samples of one worker follow each other.

    All but `parallel_calls` may be tensors, which differ between workers.

    Attributes:
        batch_sizes: samples in each batch, int64 [batches], over and over. See
            `dbsl_tf.data.sample_stream.mini_epoch_batches`.
        seed: of the order of samples and of augmentation; an integer scalar.
        parallel_calls: batches that are made at the same time.
        first_sample: samples of the stream to pass over, an integer scalar. The first batch has
            the size `batch_sizes[0]` wherever the stream begins: begin where a mini-epoch does.
        endless: whether the sizes are repeated; otherwise the stream ends with the last of them.
        held: what `TrainingData.held` has returned, so that it is not read again; None: it is read.
    """

    batch_sizes: tf.Tensor | list[int]
    seed: int | tf.Tensor
    parallel_calls: int
    first_sample: int | tf.Tensor = 0
    endless: bool = True
    held: tf.Tensor | None = None


@dataclass(frozen=True)
class Share:
    """Some samples of a test or validation set, and how they are read.

    Attributes:
        start, stop: their numbers are start … stop − 1; integer scalars.
        batch: samples in a batch; the last one may have fewer.
        parallel_calls: samples or batches that are made at the same time.
    """

    start: int | tf.Tensor
    stop: int | tf.Tensor
    batch: int | tf.Tensor
    parallel_calls: int = 1


class TrainingData(Protocol):
    """A training and a test set, as batches (x, y).

    x and y are tensors, or nested structures of them, whose first dimension is the batch.
    All kinds of batches have the same structure, types and shapes.

    Implementations hold descriptions and the names of files, no tensors: their methods are traced
    for the workers, which then read what they need themselves.

    `resolution` is for images: their height and width in pixels, None for that of the data set.
    Other data have none and ignore it.
    """

    @property
    def name(self) -> str:
        """What messages and records call it."""

    @property
    def train_samples(self) -> int:
        """Samples to train on: those in the training set that are not held out."""

    @property
    def validation_samples(self) -> int:
        """Samples held out of the training set."""

    @property
    def test_samples(self) -> int:
        """Samples in the test set."""

    @property
    def classes(self) -> int | None:
        """The length of y where that is a vector with one entry for each class; else None."""

    @property
    def class_names(self) -> list[str]:
        """One for each class, in the order of y; empty where there are no classes."""

    def facts(self) -> dict[str, Any]:
        """Returns what a trained model needs to know of its data, as JSON may hold it."""

    def element_spec(self, resolution: int | None = None) -> tuple[Any, Any]:
        """Returns the `tf.TensorSpec`s of x and y, whose batch dimension is None."""

    def holding_out(self, samples: int, seed: int) -> TrainingData:
        """Returns the same data with so many of the training samples held out for validation.

        Args:
            samples: at least 1, and fewer than there are.
            seed: of the choice.

        Raises:
            UserError: none can be held out of these data.
        """

    def held(self, samples: int) -> tf.Tensor:
        """Returns what a worker holds in memory of the files to make training batches; string.

        It is the same for all resolutions.

        Args:
            samples: as in `training_batches`.
        """

    def training_batches(
        self, samples: int, stream: StreamSettings, resolution: int | None = None
    ) -> tf.data.Dataset:
        """Returns training batches of the sizes `stream.batch_sizes`, endless or not.

        Args:
            samples: how many of the first training samples to use, without those held out; more
                than there are: all.
            stream: order and sizes.
            resolution: of images.
        """

    def test_batches(self, share: Share, resolution: int | None = None) -> tf.data.Dataset:
        """Returns a share of the test samples once, in order; the last batch may be short.

        Args:
            share: which samples, in which batches.
            resolution: of images.
        """

    def validation_batches(self, share: Share, resolution: int | None = None) -> tf.data.Dataset:
        """Returns samples that are held out, prepared as test samples are; see `test_batches`."""


def known_classes(data: TrainingData, purpose: str) -> int:
    """Returns the number of classes, for what cannot do without.

    Raises:
        UserError: y is not a vector with one entry for each class.
    """
    if data.classes is None:
        raise UserError(
            f"{data.name}: {purpose} needs y to be one vector of float32 for each sample, with one "
            "entry for each class; encode the labels so (one-hot)"
        )
    return data.classes
