"""Brings images to the resolution at which they are trained or tested."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf


def resize(images: tf.Tensor, resolution: int) -> tf.Tensor:
    """Resizes images in 0 … 255 to squares, bilinearly and with antialiasing.

    Without antialiasing, a smaller image would ignore some of the pixels.

    Args:
        images: [..., height, width, 3]; returned unchanged if they already have the size.
        resolution: height and width in pixels.

    Returns:
        float32 [..., resolution, resolution, 3], or `images` themselves.
    """
    if images.shape[-3:-1] == (resolution, resolution):
        return images
    return tf.image.resize(images, (resolution, resolution), antialias=True)


def centred_square(image: tf.Tensor, resolution: int, share: float = 1.0) -> tf.Tensor:
    """Cuts a square out of the middle of an image and resizes it.

    Args:
        image: [height, width, 3] in 0 … 255.
        resolution: height and width of the result in pixels.
        share: side of the square as a fraction of the image's shorter side.

    Returns:
        float32 [resolution, resolution, 3].
    """
    height, width = tf.unstack(tf.shape(image)[:2])
    shorter = tf.cast(tf.minimum(height, width), tf.float32)
    side = tf.maximum(1, tf.cast(tf.round(share * shorter), tf.int32))
    top, left = (height - side) // 2, (width - side) // 2
    return resize(image[top : top + side, left : left + side], resolution)


@dataclass(frozen=True)
class RandomResizedCrop:
    """A random part of the image, resized (Szegedy et al., CVPR 2015, section 6).

    Attributes:
        area: smallest and largest fraction of the image's area.
        ratio: smallest and largest ratio of width to height.
    """

    area: tuple[float, float]
    ratio: tuple[float, float]

    def __call__(self, image: tf.Tensor, resolution: int, seed: tf.Tensor) -> tf.Tensor:
        """Cuts and resizes one image.

        Args:
            image: [height, width, 3] in 0 … 255.
            resolution: height and width of the result in pixels.
            seed: int64 [2].

        Returns:
            float32 [resolution, resolution, 3].
        """
        begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
            tf.shape(image),
            tf.zeros([0, 0, 4]),
            seed,
            min_object_covered=0.0,
            aspect_ratio_range=self.ratio,
            area_range=self.area,
            max_attempts=10,
            use_image_if_no_bounding_boxes=True,
        )
        window = tf.ensure_shape(tf.slice(image, begin, size), [None, None, 3])
        # Not `resize`, which would return only some windows unchanged, those of the right size.
        return tf.image.resize(window, (resolution, resolution), antialias=True)
