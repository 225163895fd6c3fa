"""Convolutions of 3 × 3 by Winograd's minimal filtering, which needs fewer multiplications.

For each pair of an input and an output channel, a tile of 4 × 4 outputs takes 36 multiplications in
place of 144: F(4×4, 3×3) in section 4.3 of Lavin and Gray, "Fast Algorithms for Convolutional
Neural Networks" (CVPR 2016), https://arxiv.org/abs/1509.09308. In the paper's notation, images are
transformed by Bᵀ and the kernel by G. For each of the 36 positions a product of matrices sums over
the input channels, and Aᵀ transforms these products into outputs. oneDNN has no such convolution
for training on x86.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.polynomial.polynomial import polyfromroots

from dbsl_tf.models.layer_classes import layer_classes

_TILE = 4  # outputs of a tile in each direction
_PATCH = 6  # inputs that they depend on; they overlap by 2
# Where the polynomials are evaluated, besides at infinity. Rounding errors are half of those with
# the paper's 0, ±1 and ±2, the largest ones a quarter.
_POINTS = np.array([0, 3 / 4, -3 / 4, 3 / 2, -3 / 2])


def _transforms() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns Aᵀ [4, 6], G [6, 3] and Bᵀ [6, 6] for outputs, kernel and images (Toom and Cook)."""
    outputs, kernel, images = np.zeros((4, 6)), np.zeros((6, 3)), np.zeros((6, 6))
    outputs[:, :-1] = np.vander(_POINTS, 4, increasing=True).T
    kernel[:-1] = np.vander(_POINTS, 3, increasing=True)
    for row, point in enumerate(_POINTS):
        others = np.delete(_POINTS, row)
        kernel[row] /= np.prod(point - others)
        images[row, :-1] = polyfromroots(others)
    outputs[-1, -1] = kernel[-1, -1] = 1  # At infinity.
    images[-1] = polyfromroots(_POINTS)
    return outputs.astype(np.float32), kernel.astype(np.float32), images.astype(np.float32)


_A_T, _G, _B_T = _transforms()
# The transform of a kernel in both directions at once, [36, 9].
_KERNEL = np.kron(_G, _G)
# Tiles that are transformed back together: with more, the matrix is mostly zeros; with fewer, it is
# too small to be fast.
_TOGETHER = 2
# With fewer channels, transforming the images costs more than it saves; with fewer tiles in a
# batch, transforming the kernel does.
_CHANNELS = 48
_ENOUGH_TILES = 16


def use_winograd(model: Any) -> None:
    """Makes a model use `convolution` where that is faster.

    That is in layers of 3 × 3 with stride 1 and padding "same" that compute in float32, where
    `is_faster` holds and the batch is not very small.

    Args:
        model: a built model of Keras 3 or keras-core; it computes on CPUs.
    """
    classes = layer_classes("Conv2D")
    for layer in model._flatten_layers():
        if (
            type(layer) in classes
            and layer.kernel_size == (3, 3)
            and layer.strides == layer.dilation_rate == (1, 1)
            and layer.groups == 1
            and layer.padding == "same"
            and layer.data_format == "channels_last"
            and layer.compute_dtype == "float32"
            and "convolution_op" not in vars(layer)
        ):
            layer.convolution_op = partial(_faster_of_both, layer.convolution_op)


def _faster_of_both(direct: Callable[[Any, Any], Any], images: tf.Tensor, kernel: Any) -> tf.Tensor:
    height, width, channels = images.shape[1:]
    known = height and width and channels
    if not (known and is_faster(height, width, channels, kernel.shape[-1])):
        return direct(images, kernel)
    kernel = tf.convert_to_tensor(kernel)
    tiles = _tiles(height) * _tiles(width)
    if tiles >= _ENOUGH_TILES:
        return convolution(images, kernel)
    return tf.cond(
        tiles * tf.shape(images)[0] >= _ENOUGH_TILES,
        lambda: convolution(images, kernel),
        lambda: direct(images, kernel),
    )


def is_faster(height: int, width: int, channels: int, filters: int) -> bool:
    """Returns whether `convolution` takes less time than oneDNN's, for training on a CPU.

    As measured with AVX2 and with AVX-512, see docs/performance.md. The time for the transforms
    grows with the size of the images, and pays if there are many channels.

    Args:
        height, width: of the images, in pixels.
        channels, filters: of inputs and outputs.

    Example:
        >>> is_faster(8, 8, 64, 64), is_faster(32, 32, 16, 16), is_faster(56, 56, 64, 64)
        (True, False, False)
    """
    padded = [_TILE * _tiles(size) for size in (height, width)]
    return (
        min(channels, filters) >= max(_CHANNELS, 2 * height, 2 * width)
        and min(height, width) >= _TILE
        and padded[0] * padded[1] <= 2 * height * width
    )


class _Axis(NamedTuple):
    """Transforms along the height or the width of images.

    The transformed positions are ordered by group of tiles, by position in the patch and by tile
    in the group, so that a product of matrices takes a group's tiles together.

    Attributes:
        groups, tiles: number of groups, and of tiles in each.
        pixels: outputs of a group.
        inputs: the transform of inputs, [groups * 6 * tiles, size].
        outputs: the transform of the products of one group, [pixels, 6 * tiles].
    """

    groups: int
    tiles: int
    pixels: int
    inputs: np.ndarray
    outputs: np.ndarray

    @property
    def transformed(self) -> int:
        """Number of transformed positions."""
        return self.groups * _PATCH * self.tiles


def _tiles(size: int) -> int:
    return -(-size // _TILE)


@functools.cache
def _axis(size: int) -> _Axis:
    tiles = _TOGETHER if size % (_TOGETHER * _TILE) == 0 else _tiles(size)
    groups = _tiles(size) // tiles
    inputs = np.zeros((groups, _PATCH, tiles, size), np.float32)
    for group, place, tile in np.ndindex(groups, _PATCH, tiles):
        # Zeros surround the images by one pixel.
        pixel = _TILE * (group * tiles + tile) + place - 1
        if 0 <= pixel < size:
            inputs[group, :, tile, pixel] = _B_T[:, place]
    outputs = np.zeros((tiles, _TILE, _PATCH, tiles), np.float32)
    for tile in range(tiles):
        outputs[tile, :, :, tile] = _A_T
    pixels = min(tiles * _TILE, size)
    return _Axis(
        groups,
        tiles,
        pixels,
        inputs.reshape(-1, size),
        outputs.reshape(tiles * _TILE, -1)[:pixels],
    )


@tf.custom_gradient
def convolution(images: tf.Tensor, kernel: tf.Tensor) -> Any:
    """Returns `tf.nn.conv2d(images, kernel, 1, "SAME")`, but for rounding.

    The largest error, with 512 channels, is about 2e-5 of the results' standard deviation, twice
    that of oneDNN.

    Args:
        images: [batch, height, width, channels], float32; only the batch may be unknown.
        kernel: [3, 3, channels, filters], float32.
    """
    batch = tf.shape(images)[0]
    height, width, channels = images.shape[1:]
    filters = kernel.shape[-1]
    rows, columns = _axis(height), _axis(width)

    def to_products(values: tf.Tensor, depth: int) -> tf.Tensor:
        """Shapes transformed images as factors of the products of matrices."""
        shape = rows.groups, _PATCH, rows.tiles, columns.groups, _PATCH, columns.tiles * batch
        return tf.reshape(values, (*shape, depth))

    def by_position(factors: tf.Tensor, depth: int) -> tf.Tensor:
        """Returns them as [36, tiles of all images, depth]."""
        factors = tf.transpose(factors, (1, 4, 0, 2, 3, 5, 6))
        return tf.reshape(factors, (_PATCH**2, -1, depth))

    def from_rows(values: tf.Tensor, depth: int) -> tf.Tensor:
        """Puts images [height, width, batch, depth] into the usual order."""
        return tf.transpose(tf.reshape(values, (height, width, batch, depth)), (2, 0, 1, 3))

    # With the batch behind height and width, each transform is one product of matrices.
    x = tf.transpose(images, (1, 2, 0, 3))
    x = tf.matmul(rows.inputs, tf.reshape(x, (height, width * batch * channels)))
    x = tf.reshape(x, (rows.transformed, width, batch * channels))
    x = to_products(tf.matmul(columns.inputs, x), channels)
    k = tf.matmul(_KERNEL, tf.reshape(kernel, (9, channels * filters)))
    k = tf.reshape(k, (1, _PATCH, 1, 1, _PATCH, channels, filters))
    y = tf.matmul(x, k)
    y = tf.reshape(y, (rows.transformed, columns.groups, _PATCH * columns.tiles, batch * filters))
    y = tf.matmul(columns.outputs, y)
    y = tf.reshape(y, (rows.groups, _PATCH * rows.tiles, width * batch * filters))
    y = from_rows(tf.matmul(rows.outputs, y), filters)

    def gradient(of_outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        dy = tf.transpose(of_outputs, (1, 2, 0, 3))
        dy = tf.reshape(dy, (rows.groups, rows.pixels, width * batch * filters))
        dy = tf.matmul(rows.outputs, dy, transpose_a=True)
        dy = tf.reshape(dy, (rows.transformed, columns.groups, columns.pixels, batch * filters))
        dy = to_products(tf.matmul(columns.outputs, dy, transpose_a=True), filters)
        dx = tf.matmul(dy, k, transpose_b=True)
        dx = tf.reshape(dx, (rows.transformed, columns.transformed, batch * channels))
        dx = tf.matmul(columns.inputs, dx, transpose_a=True)
        dx = tf.reshape(dx, (rows.transformed, width * batch * channels))
        dx = from_rows(tf.matmul(rows.inputs, dx, transpose_a=True), channels)
        dk = tf.matmul(by_position(x, channels), by_position(dy, filters), transpose_a=True)
        dk = tf.matmul(_KERNEL, tf.reshape(dk, (_PATCH**2, channels * filters)), transpose_a=True)
        return dx, tf.reshape(dk, (3, 3, channels, filters))

    return y, gradient
