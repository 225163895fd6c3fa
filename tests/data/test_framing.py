"""Images brought to their resolution."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from dbsl_tf.data.framing import RandomResizedCrop, centred_square, resize


class ResizeTest(tf.test.TestCase):
    def test_averages_what_it_shrinks(self):
        board = np.indices((32, 32)).sum(axis=0) % 2 * 255.0
        image = np.repeat(board[..., None], 3, axis=-1).astype(np.float32)
        inner = resize(tf.constant(image)[None], 8)[0, 1:-1, 1:-1]
        self.assertAllClose(inner, tf.fill(inner.shape, 127.5), atol=8)

    def test_nothing_at_the_same_size(self):
        image = tf.zeros([2, 8, 8, 3], tf.uint8)
        self.assertIs(resize(image, 8), image)


class CentredSquareTest(tf.test.TestCase):
    def test_the_middle(self):
        image = np.zeros((20, 40, 3), np.uint8)
        image[2:18, 12:28] = 200
        self.assertAllClose(
            centred_square(tf.constant(image), 16, 0.8), tf.fill([16, 16, 3], 200.0)
        )
        whole = centred_square(tf.constant(image), 20)
        self.assertAllClose(whole, image[:, 10:30].astype(np.float32))


class RandomResizedCropTest(tf.test.TestCase):
    def test_area_and_ratio(self):
        """Pixels that hold their own position show the corners of the window."""
        rows, columns = np.meshgrid(np.arange(200), np.arange(100), indexing="ij")
        image = tf.constant(np.stack([rows, columns, rows], axis=-1).astype(np.float32))
        crop = tf.function(RandomResizedCrop(area=(0.2, 0.5), ratio=(0.5, 2.0)))
        areas, ratios, tops = [], [], []
        for number in range(100):
            window = crop(image, 64, tf.constant([1, number], tf.int64)).numpy()
            self.assertEqual(window.shape, (64, 64, 3))
            height, width = (np.ptp(window[..., axis]) + 1 for axis in (0, 1))
            areas.append(height * width / 20_000)
            ratios.append(width / height)
            tops.append(round(float(window[..., 0].min())))
        # Corners are blurred by up to two pixels.
        self.assertAllInRange(areas, 0.17, 0.53)
        self.assertAllInRange(ratios, 0.45, 2.2)
        self.assertGreater(np.ptp(areas), 0.2)
        self.assertGreater(np.ptp(ratios), 1.0)
        self.assertGreater(len(set(tops)), 30)

    def test_the_seed_decides(self):
        image = tf.random.stateless_uniform([50, 60, 3], [1, 2])
        crop = RandomResizedCrop(area=(0.1, 1.0), ratio=(0.75, 1.33))
        first, again, other = (
            crop(image, 32, tf.constant([seed, 0], tf.int64)) for seed in (1, 1, 2)
        )
        self.assertAllEqual(first, again)
        self.assertNotAllClose(first, other)
