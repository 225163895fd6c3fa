"""Values of every type that goes to a worker and back, as bytes."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from dbsl_tf.engine.byte_layout import ByteLayout

VALUES = (
    np.bool_(True),
    np.array([[1.5, -2.25], [np.inf, 0.0], [3.0, np.finfo(np.float32).tiny]], np.float32),
    np.int64(2**62 + 1),
    np.array([True, False, True]),
    np.array([], np.float64),
    np.array([-1, 127], np.int8),
    np.float64(1.0 / 3.0),
    np.array([[[7]]], np.int32),
)


class ByteLayoutTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.layout = ByteLayout([v.dtype for v in VALUES], [v.shape for v in VALUES])

    def check_same(self, values):
        for before, after in zip(VALUES, values, strict=True):
            self.assertEqual((before.dtype, before.shape), (after.dtype, after.shape))
            self.assertAllEqual(before, after)

    def test_arrays_come_back_as_they_were(self):
        values = self.layout.split_arrays(self.layout.join_arrays(VALUES))
        self.check_same(values)
        self.assertIsInstance(values[0], np.bool_)

    def test_a_graph_takes_apart_what_was_joined_outside_and_the_other_way_round(self):
        @tf.function
        def there_and_back(joined):
            parts = self.layout.split(joined)
            return parts, self.layout.join(parts)

        parts, joined = there_and_back(tf.constant(self.layout.join_arrays(VALUES)))
        self.check_same([part.numpy() for part in parts])
        self.check_same(self.layout.split_arrays(joined.numpy()))


if __name__ == "__main__":
    tf.test.main()
