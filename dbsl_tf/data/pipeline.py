"""Input pipelines of a worker: they read files where they run and hold no variable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from dbsl_tf.data.augmentation import Step, build_augmentation
from dbsl_tf.data.dataset import DatasetSpec
from dbsl_tf.data.draws import stateless_seeds
from dbsl_tf.data.framing import RandomResizedCrop
from dbsl_tf.data.image_folder import ImageData
from dbsl_tf.data.image_source import ImageSource
from dbsl_tf.data.prepare import PreparedData
from dbsl_tf.data.record_source import RecordSource

# Of image files. Each may be the size of a gigabyte.
_LARGE_BATCHES_AT_ONCE = 2

# From sample numbers, int64 [B], and seeds, int64 [B, 2], to images in 0 … 255, uint8 or float32
# [B, resolution, resolution, 3], and labels, int32 [B].
Loader = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


class Source(Protocol):
    """A kind of files that images come from.

    Attributes:
        one_by_one: whether loading takes single samples, so that those of a batch are loaded at
            the same time; otherwise whole batches.
    """

    one_by_one: bool

    def training_loader(self, samples: int, crop: RandomResizedCrop | None) -> Loader:
        """Returns the function that loads some of the first `samples` training images.

        `crop` brings images to the resolution; without it they are resized.
        """

    def test_images(
        self, start: tf.Tensor, stop: tf.Tensor, batch: int | tf.Tensor, parallel_calls: int
    ) -> tf.data.Dataset:
        """Returns the test images start … stop − 1 in batches, (images, labels) as loaded."""


def training_dataset(
    data: PreparedData,
    *,
    train_samples: int,
    augment: Sequence[Step],
    batch_sizes: tf.Tensor,
    seed: int | tf.Tensor,
    parallel_calls: int,
    first_sample: int | tf.Tensor = 0,
    resolution: int | None = None,
) -> tf.data.Dataset:
    """Returns endless batches of the sizes `batch_sizes`, over and over.

    The training set is shuffled as a whole for every pass, and one pass follows the other
    whatever the batches are, so each sample is used once before any is used again. With the
    sizes of `mini_epoch_batches`, every mini-epoch has exactly its planned samples.

    The order and every augmentation are functions of `seed` and of how many samples came before,
    whatever `parallel_calls` is. So a stream that was left off goes on where it was when it is
    made again with `first_sample`.

    Images are brought to `resolution` first, then augmented, then normalised. So augmentations
    in pixels, such as the padding of a crop, count pixels of the images the network sees, and a
    low resolution makes augmentation cheaper too. `random_resized_crop`, which must be the first
    step, cuts from the images as they are stored and so resizes them once.

    Meant to be traced in a `dataset_fn`: the files are read by the worker that runs it, and
    `batch_sizes` and `seed` (a scalar int64 tensor) may differ between workers.

    Args:
        data: checked files, at the same paths on every worker.
        train_samples: how many of the first images to train on; more than there are means all.
        augment: augmentation steps in order.
        batch_sizes: samples in each batch, int64 [batches].
        seed: of the order of samples and of augmentation.
        parallel_calls: batches that are made at the same time.
        first_sample: samples of the stream to pass over, a scalar. The first batch has the size
            `batch_sizes[0]` wherever the stream begins: begin where a mini-epoch does.
        resolution: height and width of the images in pixels; None for those of the data set.

    Returns:
        (images, labels): float32 [B, resolution, resolution, 3], normalised by the mean and
        standard deviation of the data set, and float32 [B, classes], one-hot unless mixed.
    """
    spec = data.spec
    resolution = resolution or spec.image_size
    source = _source(data, resolution)
    crop, steps = _split_framing(augment)
    transform = build_augmentation(steps, resolution)
    samples = min(train_samples, spec.train_samples)
    load = source.training_loader(samples, crop)
    seed = tf.cast(seed, tf.int64)
    first_sample = tf.cast(first_sample, tf.int64)

    def load_at(indices: tf.Tensor, position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        framing_seed, _ = _seeds_at(seed, position)
        return load(indices, stateless_seeds(framing_seed, tf.size(indices)))

    def finish(
        images: tf.Tensor, labels: tf.Tensor, position: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        _, augmentation_seed = _seeds_at(seed, position)
        images, labels = transform(
            tf.cast(images, tf.float32), tf.one_hot(labels, spec.classes), augmentation_seed
        )
        return _normalise(spec, images), labels

    indices = _shuffled(samples, seed, first_sample).rebatch(
        [1] if source.one_by_one else batch_sizes
    )
    batches = _positioned(indices, first_sample).map(load_at, num_parallel_calls=parallel_calls)
    if source.one_by_one:
        batches = batches.rebatch(batch_sizes)
        # Decoding is what takes time; many finished batches of photographs would fill the memory.
        parallel_calls = _LARGE_BATCHES_AT_ONCE
    return (
        _positioned(batches, first_sample)
        .map(finish, num_parallel_calls=parallel_calls)
        .prefetch(parallel_calls)
        .with_options(_untuned())
    )


def _untuned() -> tf.data.Options:
    """Options under which TensorFlow tunes nothing: every number of calls is given here.

    To close an iterator that is tuned can take until the next round of the tuner, a minute at
    worst, during which nothing is done (TensorFlow 2.21).
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return options


def _source(data: PreparedData, resolution: int) -> Source:
    if isinstance(data, ImageData):
        return ImageSource(data, resolution)
    return RecordSource(data, resolution)


def _split_framing(augment: Sequence[Step]) -> tuple[RandomResizedCrop | None, Sequence[Step]]:
    """Parts the step that makes the size of the images from those that keep it."""
    if augment and augment[0].name == "random_resized_crop":
        return RandomResizedCrop(**augment[0].parameters), augment[1:]
    return None, augment


def _shuffled(samples: int, seed: tf.Tensor, first_sample: tf.Tensor) -> tf.data.Dataset:
    """Returns one permutation of 0 … samples − 1 after the other, int64 [samples].

    The first one lacks what comes before `first_sample`.
    """
    first_pass, passed_over = first_sample // samples, first_sample % samples

    def permutation(number: tf.Tensor) -> tf.Tensor:
        indices = tf.random.experimental.stateless_shuffle(
            tf.range(samples), seed=tf.stack([seed, number])
        )
        return indices[tf.where(number == first_pass, passed_over, 0) :]

    return tf.data.Dataset.counter(first_pass).map(permutation)


def _positioned(batches: tf.data.Dataset, first_sample: tf.Tensor) -> tf.data.Dataset:
    """Adds to every batch how many samples came before it in the stream, an int64 scalar.

    The last part of a batch, or all of it, has one number for each sample.
    """

    def add(position: tf.Tensor, batch: tf.Tensor | tuple) -> tuple[tf.Tensor, tuple]:
        parts = tf.nest.flatten(batch)
        return position + tf.size(parts[-1], tf.int64), (*parts, position)

    return batches.scan(first_sample, add)


def _seeds_at(seed: tf.Tensor, position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the seeds of framing and of augmentation, int64 [2] each."""
    # A negative number, as the orders of the passes have the positive ones.
    framing, augmentation = tf.unstack(stateless_seeds(tf.stack([seed, -1 - position]), 2))
    return framing, augmentation


def mini_epoch_batches(batch: int | tf.Tensor, samples: int | tf.Tensor) -> tf.Tensor:
    """Returns the sizes of the batches of one mini-epoch: [B, B, …, rest], int64 [steps].

    The last batch has the samples that remain (Lu et al., COMPSAC 2022: a worker trains d_S or
    d_L samples in batches of B_S or B_L).

    Args:
        batch: samples in a batch, B; scalar.
        samples: samples in the mini-epoch, at least 1; scalar.
    """
    batch = tf.cast(batch, tf.int64)
    samples = tf.cast(samples, tf.int64)
    rest = samples % batch
    full = tf.fill([samples // batch], batch)
    return tf.concat([full, tf.fill([tf.cast(rest > 0, tf.int32)], rest)], axis=0)


def test_dataset(
    data: PreparedData,
    *,
    start: int | tf.Tensor,
    stop: int | tf.Tensor,
    batch: int | tf.Tensor,
    resolution: int | None = None,
    parallel_calls: int = 1,
) -> tf.data.Dataset:
    """Returns the test images start … stop − 1 once, in order, in batches.

    The last batch may be short. `start`, `stop` and `batch` may be scalar int64 tensors; the
    files are read by the worker that runs it. `resolution` is as in `training_dataset`. Of image
    files the middle is used; `parallel_calls` of them are decoded at the same time.

    Returns:
        (images, labels) as in `training_dataset`, without augmentation.
    """
    spec = data.spec
    source = _source(data, resolution or spec.image_size)
    start, stop = tf.cast(start, tf.int64), tf.cast(stop, tf.int64)

    def finish(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return _normalise(spec, tf.cast(images, tf.float32)), tf.one_hot(labels, spec.classes)

    return source.test_images(start, stop, batch, parallel_calls).map(finish).prefetch(1)


def _normalise(spec: DatasetSpec, images: tf.Tensor) -> tf.Tensor:
    # Row by row: with the three values of a pixel alone this takes three times as long.
    width, channels = images.shape[2:]
    mean, deviation = (
        tf.constant(255.0 * np.tile(values, width), tf.float32)
        for values in (spec.mean, spec.standard_deviation)
    )
    rows = tf.reshape(images, [-1, width * channels])
    return tf.reshape((rows - mean) / deviation, tf.shape(images))
