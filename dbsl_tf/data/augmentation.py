"""Augmentation with keras-cv's layers, in which every random number is a function of a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import tensorflow as tf

from dbsl_tf.common.quiet import UNUSED_BY_KERAS, hidden
from dbsl_tf.data.draws import SeededDraws
from dbsl_tf.data.keras_cv_layers import (
    CutMix,
    MixUp,
    RandAugment,
    RandomFlip,
    WholePixelCrop,
)
from dbsl_tf.data.own_augmentation import own_augmentation

with hidden(UNUSED_BY_KERAS):
    import keras_cv

# A step takes and returns images, float32 [B, H, W, 3] in 0 … 255, and labels, float32
# [B, classes] that sum to 1. B may be unknown when traced, and 1.
BatchTransform = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
# The same, with the seed of its draws as a third argument.
SeededTransform = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]

_VALUE_RANGE = (0.0, 255.0)


class Step(Protocol):
    """A named augmentation with all its parameters, as in `data.augment`."""

    @property
    def name(self) -> str: ...

    @property
    def parameters(self) -> Mapping[str, Any]: ...


@contextmanager
def _drawing_from(draws: SeededDraws) -> Iterator[None]:
    """Makes layers built in its body draw from `draws`.

    keras-cv's layers keep the generator that is global when they are built, and some build others
    when they are called. TensorFlow creates a new global generator on the next request.
    """
    tf.random.set_global_generator(draws)
    try:
        yield
    finally:
        tf.random.set_global_generator(None)


def build_augmentation(steps: Sequence[Step], image_size: int) -> SeededTransform:
    """Returns one function that applies `steps` in their order.

    The function creates and captures no variable, so it may be built and traced inside a
    `dataset_fn`. Every image gets its own draws. The same images, labels and seed give the same
    result; the seed is int64 [2], see `SeededDraws.seeded`.

    Args:
        steps: names and parameters, already validated.
        image_size: height and width of the images in pixels.

    Raises:
        KeyError: an unknown name or a missing parameter.
    """
    draws = SeededDraws()
    with _drawing_from(draws):
        transforms = [_transform(step, image_size) for step in steps]

    # A separate function, because keras-cv's layers rely on AutoGraph, which does not convert
    # functions mapped in a `dataset_fn`.
    @tf.function
    def augment(
        images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        with _drawing_from(draws), draws.seeded(seed):
            for number, (step, transform) in enumerate(zip(steps, transforms)):
                shape = images.shape
                if step.name in _BUILDERS:
                    images, labels = transform(images, labels)
                else:
                    own = tf.random.experimental.stateless_fold_in(seed, number)
                    images, labels = transform(images, labels, own)
                images = tf.ensure_shape(images, shape)
        return images, labels

    return augment


def _transform(step: Step, image_size: int) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
    if step.name in _BUILDERS:
        return _BUILDERS[step.name](image_size, **step.parameters)
    return own_augmentation(step.name, step.parameters)


def _of_images(layer: Callable[[tf.Tensor], tf.Tensor]) -> BatchTransform:
    return lambda images, labels: (layer(images), labels)


def _of_images_and_labels(layer: Callable[[dict], dict]) -> BatchTransform:
    def transform(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        mixed = layer({"images": images, "labels": labels})
        return mixed["images"], mixed["labels"]

    return transform


def _random_crop(image_size: int, *, padding: int) -> BatchTransform:
    return _of_images(WholePixelCrop(image_size, padding))


def _random_flip(image_size: int, *, mode: str) -> BatchTransform:
    return _of_images(RandomFlip(mode, dtype="float32"))


def _random_translation(
    image_size: int, *, height_factor: float, width_factor: float
) -> BatchTransform:
    return _of_images(
        keras_cv.layers.RandomTranslation(height_factor, width_factor, dtype="float32")
    )


def _random_cutout(image_size: int, *, height_factor: float, width_factor: float) -> BatchTransform:
    # A single number would be the upper bound of a random size.
    return _of_images(
        keras_cv.layers.RandomCutout(
            (height_factor, height_factor), (width_factor, width_factor), dtype="float32"
        )
    )


def _rand_augment(
    image_size: int, *, augmentations_per_image: int, magnitude: float, rate: float
) -> BatchTransform:
    return _of_images(
        RandAugment(
            value_range=_VALUE_RANGE,
            augmentations_per_image=augmentations_per_image,
            magnitude=magnitude,
            rate=rate,
            dtype="float32",
        )
    )


def _mix_up(image_size: int, *, alpha: float) -> BatchTransform:
    return _of_images_and_labels(MixUp(alpha, dtype="float32"))


def _cut_mix(image_size: int, *, alpha: float) -> BatchTransform:
    return _of_images_and_labels(CutMix(alpha, dtype="float32"))


_BUILDERS: dict[str, Callable[..., BatchTransform]] = {
    "random_crop": _random_crop,
    "random_flip": _random_flip,
    "random_translation": _random_translation,
    "random_cutout": _random_cutout,
    "rand_augment": _rand_augment,
    "mix_up": _mix_up,
    "cut_mix": _cut_mix,
}
