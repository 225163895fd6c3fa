"""Merge rules on numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from dbsl_tf.shared_model.merge import average, interpolate


class MergeTest(tf.test.TestCase):
    def test_average_weighs_the_worker_with_its_update_factor(self):
        # (1 + 0.5·4) / 1.5 = 2 and (−2 + 0.5·1) / 1.5 = −1
        merged = average(tf.constant([1.0, -2.0]), tf.constant([4.0, 1.0]), tf.constant(0.5))
        self.assertAllClose(merged, [2.0, -1.0])

    def test_interpolate_keeps_at_least_half_of_the_global_weights(self):
        # (1.5·1 + 0.5·4) / 2 = 1.75 and (1.5·−2 + 0.5·1) / 2 = −1.25
        merged = interpolate(tf.constant([1.0, -2.0]), tf.constant([4.0, 1.0]), tf.constant(0.5))
        self.assertAllClose(merged, [1.75, -1.25])

    def test_both_rules_average_at_factor_one(self):
        g, w = np.array([3.0, 8.0]), np.array([1.0, -2.0])
        for rule in (average, interpolate):
            self.assertAllClose(rule(g, w, 1.0), [2.0, 3.0])

    def test_a_sequence_of_commits(self):
        # average from 0: w=1 at f=1 → 1/2; w=2 at f=1/2 → (1/2 + 1)/1.5 = 1; w=4 at f=1 → 5/2.
        g = np.float64(0.0)
        history = [g := average(g, w, f) for w, f in ((1.0, 1.0), (2.0, 0.5), (4.0, 1.0))]
        self.assertAllClose(history, [0.5, 1.0, 2.5])


if __name__ == "__main__":
    tf.test.main()
