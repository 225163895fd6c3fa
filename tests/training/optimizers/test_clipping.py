"""Clipping by global norm, against Keras's."""

import keras
import tensorflow as tf

from dbsl_tf.training.optimizers import LARS, SGD, AdamW, Clipped
from tests.support.optimizer_steps import keras_steps, steps_of

# Between the norms of the gradients of the steps, so that some are clipped.
NORM = 6.0


class ClippingTest(tf.test.TestCase):
    def test_matches_keras_step_by_step(self):
        for mine, theirs in (
            (SGD(clip_norm=NORM), keras.optimizers.SGD(momentum=0.9, global_clipnorm=NORM)),
            (
                AdamW(clip_norm=NORM),
                keras.optimizers.AdamW(weight_decay=0.004, global_clipnorm=NORM),
            ),
        ):
            with self.subTest(optimizer=type(mine).__name__):
                self.assertAllClose(
                    keras_steps(keras, theirs), steps_of(mine), rtol=1e-5, atol=1e-6
                )

    def test_the_norm_lies_between_those_of_the_steps(self):
        """Guards the comparison above."""
        for kind in (SGD, AdamW):
            without, with_it = (steps_of(kind(clip_norm=norm)) for norm in (None, NORM))
            self.assertAllClose(without[0], with_it[0], rtol=1e-6)
            self.assertNotAllClose(without[-1][0], with_it[-1][0], rtol=1e-3)

    def test_any_optimizer_can_be_wrapped(self):
        for kind in (SGD, AdamW, LARS):
            with self.subTest(optimizer=kind.__name__):
                expected = steps_of(kind(clip_norm=NORM))
                # The second has no weight decay, and LARS does not look at its norm.
                self.assertAllEqual(expected[-1][1], steps_of(Clipped(kind(), NORM))[-1][1])
                self.assertNotAllClose(expected[-1][1], steps_of(kind())[-1][1], rtol=1e-3)

    def test_values_out_of_range_are_refused(self):
        for norm in (0.0, -1.0, float("nan"), float("inf")):
            with self.assertRaisesRegex(ValueError, "clip_norm"):
                Clipped(SGD(), norm)
