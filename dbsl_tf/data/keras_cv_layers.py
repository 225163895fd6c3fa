"""Corrected keras-cv layers: the originals bypass their generator or have the wrong distribution.

All of them draw from the generator that is global when they are built, which must be a
`SeededDraws`.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from dbsl_tf.common.quiet import UNUSED_BY_KERAS, hidden
from dbsl_tf.data.draws import SeededDraws

with hidden(UNUSED_BY_KERAS):
    import keras_cv


class WholePixelCrop(keras_cv.layers.RandomCrop):
    """Cuts a window of the images' own size out of each image with a black border around it.

    keras-cv draws fractions of a pixel and stretches the window slightly, so the outermost offsets
    are half as frequent as the others and a window may skip a row or column. It also both crops and
    resizes every image, only to use one of the two results.

    Args:
        size: height and width of the images in pixels.
        border: width of the border in pixels, the largest shift.
    """

    def __init__(self, size: int, border: int) -> None:
        super().__init__(size, size, dtype="float32")
        self._border = border

    def get_random_transformation_batch(self, batch_size: tf.Tensor, **_: Any) -> dict:
        """Returns where the windows begin in the images, in pixels from -border to border."""
        return {"tops": self._draw(batch_size), "lefts": self._draw(batch_size)}

    def augment_images(self, images: tf.Tensor, transformations: dict, **_: Any) -> tf.Tensor:
        """Cuts the windows; pixels outside the image are 0."""
        begins = tf.concat([transformations["tops"], transformations["lefts"]], axis=1)
        # This makes no copies of the images with their borders.
        return tf.raw_ops.ExtractGlimpseV2(
            input=images,
            size=[self.height, self.width],
            offsets=tf.cast(begins, tf.float32),
            centered=False,
            normalized=False,
            uniform_noise=False,
            noise="zero",
        )

    def _draw(self, batch_size: tf.Tensor) -> tf.Tensor:
        border = self._border
        drawn = self._random_generator.uniform((batch_size, 1), 0, 2 * border + 1, dtype=tf.int32)
        return drawn - border


class RandomFlip(keras_cv.layers.RandomFlip):
    """Produces the same draws and images as the stock layer, but faster.

    The stock layer compares, mirrors and chooses pixel by pixel, along both axes regardless of
    `mode`.
    """

    def augment_images(self, images: tf.Tensor, transformations: dict, **_: Any) -> tf.Tensor:
        """Mirrors the images chosen by the draws."""
        if self.horizontal:
            # TensorFlow has a fast way to reverse the middle one of three axes.
            rows = tf.reshape(images, [-1, *images.shape[2:]])
            mirrored = tf.reshape(tf.reverse(rows, [1]), tf.shape(images))
            images = self._chosen(transformations["flip_horizontals"], mirrored, images)
        if self.vertical:
            mirrored = tf.reverse(images, [1])
            images = self._chosen(transformations["flip_verticals"], mirrored, images)
        return images

    def _chosen(self, draws: tf.Tensor, mirrored: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
        # Unlike `tf.where`, this takes one condition per image and copies whole images.
        return tf.raw_ops.Select(condition=draws[:, 0] > 1.0 - self.rate, x=mirrored, y=images)


class RandAugment(keras_cv.layers.RandAugment):
    """RandAugment with a separate seed for every image.

    The stock layer augments the images one by one in a loop, where a stateless draw would be the
    same for all of them, and it draws strengths from TensorFlow's own generator.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        for layer in self.layers:
            for name, value in list(vars(layer).items()):
                if isinstance(value, keras_cv.core.FactorSampler):
                    setattr(layer, name, _SeededFactor(value, self._random_generator))

    def _batch_augment(self, inputs: dict) -> dict:
        draws = self._random_generator
        seeds = draws.seeds(tf.shape(inputs["images"])[0])

        def augment(image: tuple[dict, tf.Tensor]) -> dict:
            sample, seed = image
            with draws.seeded(seed):
                return self._augment(sample)

        return tf.map_fn(
            augment, (inputs, seeds), fn_output_signature=self._compute_output_signature(inputs)
        )


class _SeededFactor(keras_cv.core.FactorSampler):
    """Draws the values that `sampler` would draw, but from `draws`."""

    def __init__(self, sampler: keras_cv.core.FactorSampler, draws: SeededDraws) -> None:
        self._sampler = sampler
        self._draws = draws

    def __call__(self, shape: Any = (), dtype: str = "float32") -> tf.Tensor:
        sampler = self._sampler
        if isinstance(sampler, keras_cv.core.NormalFactorSampler):
            drawn = self._draws.normal(shape, sampler.mean, sampler.stddev, dtype)
            return tf.clip_by_value(drawn, sampler.min_value, sampler.max_value)
        if isinstance(sampler, keras_cv.core.UniformFactorSampler):
            return self._draws.uniform(shape, sampler.lower, sampler.upper, dtype)
        return sampler(shape, dtype)


class MixUp(keras_cv.layers.MixUp):
    """MixUp that draws partners and weights from the layer's generator."""

    def _mixup(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        count = tf.shape(images)[0]
        partners = self._random_generator.permutation(count)
        shares = self._random_generator.beta([count], self.alpha)
        weights = tf.reshape(shares, [-1, 1, 1, 1])
        mixed = weights * images + (1.0 - weights) * tf.gather(images, partners)
        return mixed, shares, partners


class CutMix(keras_cv.layers.CutMix):
    """CutMix that draws from the layer's generator and mixes labels by the area really pasted.

    The stock layer weights labels by the whole rectangle even if part of it is outside the image.
    """

    def _cutmix(self, images: tf.Tensor) -> tuple[tf.Tensor, ...]:
        count, height, width = tf.unstack(tf.shape(images)[:3])
        draws = self._random_generator
        partners = draws.permutation(count)
        # The rectangle's side as a fraction of the image's (Yun et al., ICCV 2019, eq. 2).
        side = tf.sqrt(1.0 - draws.beta([count], self.alpha))
        cut_height = tf.cast(side * tf.cast(height, tf.float32), tf.int32)
        cut_width = tf.cast(side * tf.cast(width, tf.float32), tf.int32)
        centre_y = draws.uniform([count], 0, height, tf.int32)
        centre_x = draws.uniform([count], 0, width, tf.int32)
        rows = _covered(height, centre_y, cut_height)
        columns = _covered(width, centre_x, cut_width)
        pasted = rows[:, :, None, None] & columns[:, None, :, None]
        images = tf.where(pasted, tf.gather(images, partners), images)
        kept = 1.0 - tf.reduce_mean(tf.cast(pasted, tf.float32), axis=[1, 2, 3])
        return images, kept, partners, centre_y, centre_x, cut_width, cut_height


def _covered(size: tf.Tensor, centres: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Returns which of `size` pixels each of B intervals covers, bool [B, size]."""
    starts = (centres - lengths // 2)[:, None]
    pixels = tf.range(size)[None, :]
    return (starts <= pixels) & (pixels < starts + lengths[:, None])
