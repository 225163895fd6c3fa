"""Batches of images and labels, for a worker that reads the files where it runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from dbsl_tf.data.augmentation import Step, build_augmentation
from dbsl_tf.data.dataset import DatasetSpec
from dbsl_tf.data.framing import RandomResizedCrop
from dbsl_tf.data.held_out import HeldOut
from dbsl_tf.data.image_folder import ImageData
from dbsl_tf.data.image_source import ImageSource
from dbsl_tf.data.prepare import PreparedData
from dbsl_tf.data.record_source import RecordSource
from dbsl_tf.data.sample_stream import Source, held_for_training, training_stream
from dbsl_tf.data.training_data import Share, StreamSettings


def training_dataset(
    data: PreparedData,
    augment: Sequence[Step],
    samples: int,
    stream: StreamSettings,
    resolution: int | None = None,
    held_out: HeldOut | None = None,
) -> tf.data.Dataset:
    """Returns endless training batches; see `training_stream` for their order.

    Images are first brought to `resolution`, then augmented, then normalised. So augmentations in
    pixels, such as the padding of a crop, refer to pixels of the images the network sees, and a low
    resolution makes augmentation cheaper too. `random_resized_crop`, which must be the first step,
    cuts from the stored images and so resizes them only once.

    Args:
        data: checked files, at these paths on every worker that holds no copy of its own.
        augment: augmentation steps in order.
        samples: how many of the first images to train on, without those held out; more than there
            are means all.
        stream: order and sizes.
        resolution: height and width of the images in pixels; None for those of the data set.
        held_out: images that are passed over.

    Returns:
        (images, labels): float32 [B, resolution, resolution, 3], normalised by the mean and
        standard deviation of the data set, and float32 [B, classes], one-hot unless mixed.
    """
    spec = data.spec
    resolution = resolution or spec.image_size
    crop, steps = _split_framing(augment)
    transform = build_augmentation(steps, resolution)

    def finish(
        images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = transform(
            tf.cast(images, tf.float32), tf.one_hot(labels, spec.classes), seed
        )
        return _normalise(spec, images), labels

    samples = min(samples, held_out.others if held_out else spec.train_samples)
    return training_stream(_source(data, resolution, crop), samples, stream, finish, held_out)


def held_for_training_on(
    data: PreparedData, samples: int, held_out: HeldOut | None = None
) -> tf.Tensor:
    """Returns what a worker holds in memory for `training_dataset`, whose arguments these are."""
    samples = min(samples, held_out.others if held_out else data.spec.train_samples)
    return held_for_training(_source(data, data.spec.image_size), samples, held_out)


def test_dataset(
    data: PreparedData, share: Share, resolution: int | None = None, test_crop: float = 1.0
) -> tf.data.Dataset:
    """Returns a share of the test images once, in order, in batches.

    The numbers of `share` may be int64 tensors; the worker that runs it reads the files.
    `resolution` is as in `training_dataset`. From image files the square in the middle is cut out,
    with `test_crop` of the shorter side.

    Returns:
        (images, labels) as in `training_dataset`, without augmentation.
    """
    source = _source(data, resolution or data.spec.image_size, test_crop=test_crop)
    start, stop = tf.cast(share.start, tf.int64), tf.cast(share.stop, tf.int64)
    batches = source.test_batches(start, stop, share.batch, share.parallel_calls)
    return _evaluated(data.spec, batches)


def validation_dataset(
    data: PreparedData,
    held_out: HeldOut,
    share: Share,
    resolution: int | None = None,
    test_crop: float = 1.0,
) -> tf.data.Dataset:
    """Returns images that are held out of the training set, as `test_dataset` those for testing."""
    source = _source(data, resolution or data.spec.image_size, test_crop=test_crop)
    numbers = held_out.numbers()[tf.cast(share.start, tf.int64) : tf.cast(share.stop, tf.int64)]
    batches = source.validation_batches(numbers, share.batch, share.parallel_calls)
    return _evaluated(data.spec, batches)


def _evaluated(spec: DatasetSpec, batches: tf.data.Dataset) -> tf.data.Dataset:
    def finish(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return _normalise(spec, tf.cast(images, tf.float32)), tf.one_hot(labels, spec.classes)

    return batches.map(finish).prefetch(1)


def _source(
    data: PreparedData,
    resolution: int,
    crop: RandomResizedCrop | None = None,
    test_crop: float = 1.0,
) -> Source:
    if isinstance(data, ImageData):
        return ImageSource(data, resolution, crop, test_crop)
    return RecordSource(data, resolution, crop)


def _split_framing(augment: Sequence[Step]) -> tuple[RandomResizedCrop | None, Sequence[Step]]:
    """Separates the step that determines the size of the images from those that keep it."""
    if augment and augment[0].name == "random_resized_crop":
        return RandomResizedCrop(**augment[0].parameters), augment[1:]
    return None, augment


def _normalise(spec: DatasetSpec, images: tf.Tensor) -> tf.Tensor:
    # Row by row: broadcasting only the three values of a pixel takes three times as long.
    width, channels = images.shape[2:]
    mean, deviation = (
        tf.constant(255.0 * np.tile(values, width), tf.float32)
        for values in (spec.mean, spec.standard_deviation)
    )
    rows = tf.reshape(images, [-1, width * channels])
    return tf.reshape((rows - mean) / deviation, tf.shape(images))
