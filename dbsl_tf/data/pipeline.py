"""Input pipelines of a worker: they read record files where they run and hold no variable."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from dbsl_tf.data.augmentation import Step, build_augmentation
from dbsl_tf.data.catalogue import DatasetSpec
from dbsl_tf.data.draws import stateless_seeds
from dbsl_tf.data.framing import resize
from dbsl_tf.data.record_files import PreparedData


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

    Images are resized to `resolution` first, then augmented, then normalised. So augmentations
    in pixels, such as the padding of a crop, count pixels of the images the network sees, and a
    low resolution makes augmentation cheaper too.

    Meant to be traced in a `dataset_fn`: the files are read by the worker that runs it, and
    `batch_sizes` and `seed` (a scalar int64 tensor) may differ between workers.

    Args:
        data: checked record files, at the same paths on every worker.
        train_samples: how many of the first records to train on, 1 … all.
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
    # Kept as strings: the same tensor decoded at once would need twice the memory to make.
    records = (
        _record_dataset(data.train_files, spec)
        .take(train_samples)
        .batch(train_samples)
        .get_single_element()
    )
    resolution = resolution or spec.image_size
    transform = build_augmentation(augment, resolution)
    seed = tf.cast(seed, tf.int64)
    first_sample = tf.cast(first_sample, tf.int64)

    def make_batch(indices: tf.Tensor, position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = _decode(spec, tf.gather(records, indices))
        # A negative number, as the orders of the passes have the positive ones.
        (draws_seed,) = tf.unstack(stateless_seeds(tf.stack([seed, -1 - position]), 1))
        images, labels = transform(resize(images, resolution), labels, draws_seed)
        return _normalise(spec, images), labels

    return (
        _shuffled_batches(train_samples, batch_sizes, seed, first_sample)
        .map(make_batch, num_parallel_calls=parallel_calls)
        .prefetch(parallel_calls)
    )


def _shuffled_batches(
    samples: int, batch_sizes: tf.Tensor, seed: tf.Tensor, first_sample: tf.Tensor
) -> tf.data.Dataset:
    """Returns (indices, position): int64 [B] and how many samples came before, an int64 scalar."""
    first_pass, passed_over = first_sample // samples, first_sample % samples

    def shuffled(number: tf.Tensor) -> tf.Tensor:
        indices = tf.random.experimental.stateless_shuffle(
            tf.range(samples), seed=tf.stack([seed, number])
        )
        return indices[tf.where(number == first_pass, passed_over, 0) :]

    def positioned(position: tf.Tensor, indices: tf.Tensor) -> tuple[tf.Tensor, tuple]:
        return position + tf.size(indices, tf.int64), (indices, position)

    return (
        tf.data.Dataset.counter(first_pass)
        .map(shuffled)
        .rebatch(batch_sizes)
        .scan(first_sample, positioned)
    )


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
) -> tf.data.Dataset:
    """Returns the test records start … stop − 1 once, in order, in batches.

    The last batch may be short. `start`, `stop` and `batch` may be scalar int64 tensors; the
    files are read by the worker that runs it. `resolution` is as in `training_dataset`.

    Returns:
        (images, labels) as in `training_dataset`, without augmentation.
    """
    spec = data.spec
    resolution = resolution or spec.image_size
    start = tf.cast(start, tf.int64)

    def make_batch(records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = _decode(spec, records)
        return _normalise(spec, resize(images, resolution)), labels

    return (
        _record_dataset(data.test_files, spec)
        .skip(start)
        .take(tf.cast(stop, tf.int64) - start)
        .batch(batch)
        .map(make_batch)
        .prefetch(1)
    )


def _record_dataset(files: Sequence[Path], spec: DatasetSpec) -> tf.data.Dataset:
    """Returns the records of `files` in order, each a scalar string."""
    return tf.data.FixedLengthRecordDataset([str(path) for path in files], spec.record_bytes)


def _decode(spec: DatasetSpec, records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Splits records, string [B], in images in 0 … 255 and one-hot labels."""
    content = tf.reshape(tf.io.decode_raw(records, tf.uint8), [-1, spec.record_bytes])
    pixels = tf.reshape(
        content[:, spec.label_bytes :], [-1, spec.channels, spec.image_size, spec.image_size]
    )
    images = tf.cast(tf.transpose(pixels, [0, 2, 3, 1]), tf.float32)
    labels = tf.cast(content[:, spec.label_bytes - 1], tf.int32)
    return images, tf.one_hot(labels, spec.classes)


def _normalise(spec: DatasetSpec, images: tf.Tensor) -> tf.Tensor:
    mean = 255.0 * tf.constant(spec.mean)
    return (images - mean) / (255.0 * tf.constant(spec.standard_deviation))
