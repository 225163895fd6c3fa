"""Brings images to the resolution at which they are trained or tested."""

from __future__ import annotations

import tensorflow as tf


def resize(images: tf.Tensor, resolution: int) -> tf.Tensor:
    """Resizes images in 0 … 255 to squares, bilinear and with antialiasing.

    Without antialiasing a smaller image would be made of some pixels and know nothing of others.

    Args:
        images: [..., height, width, 3]; returned as they are when they have the size already.
        resolution: height and width in pixels.

    Returns:
        float32 [..., resolution, resolution, 3], or `images` themselves.
    """
    if images.shape[-3:-1] == (resolution, resolution):
        return images
    return tf.image.resize(images, (resolution, resolution), antialias=True)
