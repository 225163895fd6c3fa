"""Reads images from image files, each decoded when it is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from dbsl_tf.data.framing import RandomResizedCrop, centred_square
from dbsl_tf.data.held_out import elements_at
from dbsl_tf.data.image_folder import ImageData
from dbsl_tf.data.image_listing import TEST, TRAIN
from dbsl_tf.data.own_copy import Held, own_or


class ImageSource:
    """See `dbsl_tf.data.sample_stream.Source`.

    A worker holds the list of names (about 70 bytes an image) and the images being decoded.
    Images are rounded to uint8, the form in which they wait in memory until a batch is complete.

    Args:
        data: checked image files.
        resolution: height and width of the images in pixels.
        crop: brings training images to the resolution; without it the square in the middle is
            resized.
        test_crop: side of the square that is cut out of the middle of other images, as a fraction
            of the shorter side.
    """

    one_by_one = True

    def __init__(
        self,
        data: ImageData,
        resolution: int,
        crop: RandomResizedCrop | None = None,
        test_crop: float = 1.0,
    ) -> None:
        self._data = data
        self._resolution = resolution
        self._crop = crop
        self._test_crop = test_crop

    def held(self, samples: int | tf.Tensor) -> tf.Tensor:
        """Reads the list of the first `samples` images, [samples]."""
        return tf.strings.split(tf.io.read_file(_own(self._data.train_list)), "\n")[:samples]

    def training_loader(self, held: tf.Tensor) -> Callable:
        """Returns the function that loads some of the listed images."""
        folder = _folder_of(self._data, TRAIN)

        def load(indices: tf.Tensor, seeds: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            # The pipeline loads one image at a time.
            image, label = _decode(folder, held[indices[0]])
            if self._crop is None:
                image = centred_square(image, self._resolution)
            else:
                image = self._crop(image, self._resolution, seeds[0])
            return _rounded(image)[None], label[None]

        return load

    def test_batches(
        self, start: tf.Tensor, stop: tf.Tensor, batch: int | tf.Tensor, parallel_calls: int
    ) -> tf.data.Dataset:
        """Returns the middle of each of the test images start … stop − 1, in batches."""
        lines = tf.data.TextLineDataset(_own(self._data.test_list)).skip(start).take(stop - start)
        return self._middles(TEST, lines, batch, parallel_calls)

    def validation_batches(
        self, numbers: tf.Tensor, batch: int | tf.Tensor, parallel_calls: int
    ) -> tf.data.Dataset:
        """Returns the middle of each of the training images of these numbers, in batches."""
        lines = elements_at(numbers, tf.data.TextLineDataset(_own(self._data.train_list)))
        return self._middles(TRAIN, lines, batch, parallel_calls)

    def _middles(
        self, split: str, lines: tf.data.Dataset, batch: int | tf.Tensor, parallel_calls: int
    ) -> tf.data.Dataset:
        folder = _folder_of(self._data, split)

        def load(line: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            image, label = _decode(folder, line)
            return _rounded(centred_square(image, self._resolution, self._test_crop)), label

        return lines.map(load, num_parallel_calls=parallel_calls).batch(batch)


def decodable(data: ImageData, split: str, start: tf.Tensor, count: int) -> tf.Tensor:
    """Returns which of a split's images start … start + count − 1 this worker can decode.

    Args:
        data: checked image files.
        split: train or val.
        start: the number of the first image, an integer scalar.
        count: how many; there may be fewer.

    Returns:
        bool [count]; True where there is no image of that number.
    """
    list_file = data.train_list if split == TRAIN else data.test_list
    lines = tf.strings.split(tf.io.read_file(_own(list_file)), "\n")[start : start + count]
    folder = _folder_of(data, split)

    def decode(number: tf.Tensor, line: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # Its size is returned so that decoding it is not left out.
        return number, tf.size(_decode(folder, line)[0])

    decoded = (
        tf.data.Dataset.from_tensor_slices(lines)
        .enumerate()
        .map(decode, num_parallel_calls=tf.data.AUTOTUNE)
        .ignore_errors()
        .batch(256)
    )
    return decoded.reduce(
        tf.range(count) >= tf.size(lines),
        lambda known, batch: tf.tensor_scatter_nd_update(known, batch[0][:, None], batch[1] > 0),
    )


def _folder_of(data: ImageData, split: str) -> tf.Tensor:
    """Returns the folder of a split on this worker, a scalar string."""
    folder = own_or(Held.SAMPLES, data.directory, split)
    return tf.strings.join([folder, split], "/")


def _own(list_file: Path) -> tf.Tensor:
    """Returns the path of a list on this worker, a scalar string."""
    name = f"{list_file.parent.name}/{list_file.name}"
    return tf.strings.join([own_or(Held.LISTS, list_file.parents[1], name), name], "/")


def _decode(folder: tf.Tensor, line: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the image of a line of the list, uint8 [H, W, 3], and its label, int32."""
    parts = tf.strings.split(line, "\t", maxsplit=1)
    content = tf.io.read_file(tf.strings.join([folder, parts[1]], "/"))
    image = tf.io.decode_image(content, channels=3, expand_animations=False)
    return tf.ensure_shape(image, [None, None, 3]), tf.strings.to_number(parts[0], tf.int32)


def _rounded(image: tf.Tensor) -> tf.Tensor:
    return tf.saturate_cast(tf.round(image), tf.uint8)
