"""Dynamic loss scaling, by itself."""

from __future__ import annotations

import tensorflow as tf

from dbsl_tf.training.loss_scale import LossScale, all_finite


class LossScaleTest(tf.test.TestCase):
    def test_halved_on_overflow_and_doubled_after_good_steps(self):
        loss_scale = LossScale(initial=8.0, growth_steps=3)
        state, scales = loss_scale.initial_state(), []
        for finite in (True, True, False, True, True, True, True, False):
            state = loss_scale.after(state, tf.constant(finite))
            scales.append(float(state.scale))
        self.assertEqual(scales, [8.0, 8.0, 4.0, 4.0, 4.0, 8.0, 8.0, 4.0])

    def test_never_below_1(self):
        loss_scale = LossScale(initial=2.0)
        state = loss_scale.initial_state()
        for _ in range(5):
            state = loss_scale.after(state, tf.constant(False))
        self.assertEqual(float(state.scale), 1.0)


class AllFiniteTest(tf.test.TestCase):
    def test_one_bad_element_is_found(self):
        good = [tf.ones([3, 2]), tf.constant(1e38)]
        self.assertTrue(all_finite(good))
        for bad in (float("nan"), float("inf"), -float("inf")):
            self.assertFalse(all_finite([*good, tf.constant([0.0, bad])]))


if __name__ == "__main__":
    tf.test.main()
