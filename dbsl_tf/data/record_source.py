"""Reads images from record files, which a worker keeps in memory."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from dbsl_tf.config.catalogue import RecordDataset
from dbsl_tf.data.framing import RandomResizedCrop, resize
from dbsl_tf.data.held_out import elements_at
from dbsl_tf.data.own_copy import Held, own_or
from dbsl_tf.data.record_files import RecordData


class RecordSource:
    """See `dbsl_tf.data.sample_stream.Source`.

    Args:
        data: checked record files.
        resolution: height and width of the images in pixels.
        crop: brings training images to the resolution; without it they are resized.
    """

    one_by_one = False

    def __init__(
        self, data: RecordData, resolution: int, crop: RandomResizedCrop | None = None
    ) -> None:
        self._data = data
        self._resolution = resolution
        self._crop = crop

    def held(self, samples: int | tf.Tensor) -> tf.Tensor:
        """Reads the first `samples` records, [samples]."""
        # Kept as strings: decoding everything at once would temporarily need twice the memory.
        records = self._records(self._data.spec.train_files)
        return records.take(samples).batch(samples).get_single_element()

    def training_loader(self, held: tf.Tensor) -> Callable:
        """Returns the function that decodes some of the records."""
        spec, crop = self._data.spec, self._crop

        def load(indices: tf.Tensor, seeds: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            images, labels = _decode(spec, tf.gather(held, indices))
            if crop is None:
                return resize(images, self._resolution), labels
            frame = tf.TensorSpec([self._resolution, self._resolution, 3])
            return tf.map_fn(
                lambda image: crop(image[0], self._resolution, image[1]),
                (images, seeds),
                fn_output_signature=frame,
            ), labels

        return load

    def test_batches(
        self, start: tf.Tensor, stop: tf.Tensor, batch: int | tf.Tensor, parallel_calls: int
    ) -> tf.data.Dataset:
        """Returns the test images start … stop − 1 in batches."""
        records = self._records(self._data.spec.test_files)
        return self._batches(records.skip(start).take(stop - start), batch)

    def validation_batches(
        self, numbers: tf.Tensor, batch: int | tf.Tensor, parallel_calls: int
    ) -> tf.data.Dataset:
        """Returns the training images of these numbers in batches."""
        records = self._records(self._data.spec.train_files)
        return self._batches(elements_at(numbers, records), batch)

    def _batches(self, records: tf.data.Dataset, batch: int | tf.Tensor) -> tf.data.Dataset:
        spec = self._data.spec

        def load(records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            images, labels = _decode(spec, records)
            return resize(images, self._resolution), labels

        return records.batch(batch).map(load)

    def _records(self, names: tuple[str, ...]) -> tf.data.Dataset:
        """Returns the records of files in order, each a scalar string."""
        folder = own_or(Held.SAMPLES, self._data.train_files[0].parent, names[0])
        paths = tf.strings.join([folder, list(names)], "/")
        return tf.data.FixedLengthRecordDataset(paths, self._data.spec.record_bytes)


def _decode(spec: RecordDataset, records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Splits records, string [B], into images, uint8 [B, H, W, 3], and labels, int32 [B]."""
    content = tf.reshape(tf.io.decode_raw(records, tf.uint8), [-1, spec.record_bytes])
    pixels = tf.reshape(
        content[:, spec.label_bytes :], [-1, spec.channels, spec.image_size, spec.image_size]
    )
    labels = tf.cast(content[:, spec.label_bytes - 1], tf.int32)
    return tf.transpose(pixels, [0, 2, 3, 1]), labels
