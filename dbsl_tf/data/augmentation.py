"""Augmentation by keras-cv's layers, with every random number drawn where the batch is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import keras_cv
import tensorflow as tf

# A step takes and returns images, float32 [B, H, W, 3] in 0 … 255, and labels, float32
# [B, classes] that sum to 1. B may be unknown when traced, and 1.
BatchTransform = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]

_VALUE_RANGE = (0.0, 255.0)


class Step(Protocol):
    """A named augmentation with all its parameters, as in `data.augment`."""

    name: str
    parameters: Mapping[str, Any]


class _LocalDraws:
    """Random numbers from operations without a variable.

    keras-cv draws from a `tf.random.Generator`, whose state is a variable. On a cluster that
    variable lives on one machine, so every draw of every worker would cross the network.
    """

    uniform = staticmethod(tf.random.uniform)
    normal = staticmethod(tf.random.normal)


@contextmanager
def _local_draws() -> Iterator[None]:
    """Makes layers built inside draw without a variable.

    keras-cv's layers keep the global generator of the moment they are built; some build others
    when they are called. TensorFlow makes a fresh one when somebody asks for it afterwards.
    """
    tf.random.set_global_generator(_LocalDraws())
    try:
        yield
    finally:
        tf.random.set_global_generator(None)


def build_augmentation(steps: Sequence[Step], image_size: int) -> BatchTransform:
    """Returns one function that applies `steps` in their order.

    The function creates and captures no variable, so it may be built and traced inside a
    `dataset_fn`. Every image gets its own draws, anew in every batch.

    Args:
        steps: names and parameters, all of them valid.
        image_size: height and width of the images in pixels.

    Raises:
        KeyError: an unknown name or a missing parameter.
    """
    with _local_draws():
        transforms = [_BUILDERS[step.name](image_size, **step.parameters) for step in steps]

    # A function of its own: keras-cv's layers rely on AutoGraph, which does not reach into what is
    # mapped in a `dataset_fn`.
    @tf.function
    def augment(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with _local_draws():
            for transform in transforms:
                shape = images.shape
                images, labels = transform(images, labels)
                images = tf.ensure_shape(images, shape)
        return images, labels

    return augment


def _of_images(layer: Callable[[tf.Tensor], tf.Tensor]) -> BatchTransform:
    return lambda images, labels: (layer(images), labels)


class WholePixelCrop(keras_cv.layers.RandomCrop):
    """Cuts square windows of `size` pixels at random whole pixels, from images with a border.

    keras-cv draws fractions of a pixel and stretches the window a little, so that the outermost
    offsets are half as frequent as the others and a window may skip a row or column.
    """

    def __init__(self, size: int, border: int) -> None:
        super().__init__(size, size, dtype="float32")
        self._border = border

    def get_random_transformation_batch(self, batch_size: tf.Tensor, **_: Any) -> dict:
        """Returns the offsets in the unit of the layer, the largest offset."""
        return {"tops": self._draw(batch_size), "lefts": self._draw(batch_size)}

    def _draw(self, batch_size: tf.Tensor) -> tf.Tensor:
        largest = 2 * self._border
        offsets = self._random_generator.uniform((batch_size, 1), 0, largest + 1, dtype=tf.int32)
        # The layer samples the nearest pixels of x · (w − 1) / w with x from `offset` to
        # `offset` + size, w = size + largest. From this start all lie within half a pixel.
        width = self.width + largest
        starts = (tf.cast(offsets, tf.float32) * width - self._border) / (width - 1)
        return starts / largest


def _random_crop(image_size: int, *, padding: int) -> BatchTransform:
    crop = WholePixelCrop(image_size, padding)
    border = [[0, 0], [padding, padding], [padding, padding], [0, 0]]
    return _of_images(lambda images: crop(tf.pad(images, border)))


def _random_flip(image_size: int, *, mode: str) -> BatchTransform:
    return _of_images(keras_cv.layers.RandomFlip(mode, dtype="float32"))


def _random_translation(
    image_size: int, *, height_factor: float, width_factor: float
) -> BatchTransform:
    return _of_images(
        keras_cv.layers.RandomTranslation(height_factor, width_factor, dtype="float32")
    )


def _random_cutout(image_size: int, *, height_factor: float, width_factor: float) -> BatchTransform:
    # A single number would be the largest of random sizes.
    return _of_images(
        keras_cv.layers.RandomCutout(
            (height_factor, height_factor), (width_factor, width_factor), dtype="float32"
        )
    )


def _rand_augment(
    image_size: int, *, augmentations_per_image: int, magnitude: float, rate: float
) -> BatchTransform:
    return _of_images(
        keras_cv.layers.RandAugment(
            value_range=_VALUE_RANGE,
            augmentations_per_image=augmentations_per_image,
            magnitude=magnitude,
            rate=rate,
            dtype="float32",
        )
    )


def _mix_up(image_size: int, *, alpha: float) -> BatchTransform:
    layer = keras_cv.layers.MixUp(alpha, dtype="float32")

    def mix(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        mixed = layer({"images": images, "labels": labels})
        return mixed["images"], mixed["labels"]

    return mix


def _cut_mix(image_size: int, *, alpha: float) -> BatchTransform:
    layer = keras_cv.layers.CutMix(alpha, dtype="float32")

    def mix(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # The layer weighs labels by the whole rectangle, also when part of it lies outside the
        # image. A mask of sample numbers, cut like the images, tells what was really pasted.
        own = tf.reshape(tf.range(tf.shape(images)[0], dtype=tf.float32), [-1, 1, 1, 1])
        mixed = layer(
            {
                "images": images,
                "labels": labels,
                "segmentation_masks": own + tf.zeros_like(images[..., :1]),
            }
        )
        sources = mixed["segmentation_masks"]
        kept = tf.equal(sources, own)
        share = tf.reduce_mean(tf.cast(kept, tf.float32), axis=[1, 2])
        other = tf.reduce_max(tf.where(kept, 0.0, sources), axis=[1, 2, 3])
        pasted_labels = tf.gather(labels, tf.cast(other, tf.int32))
        return mixed["images"], share * labels + (1.0 - share) * pasted_labels

    return mix


_BUILDERS: dict[str, Callable[..., BatchTransform]] = {
    "random_crop": _random_crop,
    "random_flip": _random_flip,
    "random_translation": _random_translation,
    "random_cutout": _random_cutout,
    "rand_augment": _rand_augment,
    "mix_up": _mix_up,
    "cut_mix": _cut_mix,
}
