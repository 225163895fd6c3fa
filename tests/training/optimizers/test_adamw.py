"""AdamW step by step against those of keras-core and Keras 3."""

import itertools

import keras
import keras_core
import numpy as np
import tensorflow as tf

from dbsl_tf.training.optimizers import AdamW, adamw
from tests.support.optimizer_steps import (
    DECAY,
    SHAPES,
    keras_steps,
    run_examples,
    starting_weights,
    steps_of,
)

SETTINGS = [
    {"weight_decay": 0.0},
    {"weight_decay": 0.3},
    {"weight_decay": 0.3, "beta_1": 0.5},
    {"weight_decay": 0.3, "beta_2": 0.9},
    {"weight_decay": 0.3, "epsilon": 0.1},
]


class AdamWTest(tf.test.TestCase):
    def test_matches_keras_step_by_step(self):
        for module, settings in itertools.product((keras_core, keras), SETTINGS):
            with self.subTest(module=module.__name__, settings=settings):
                expected = keras_steps(module, module.optimizers.AdamW(**settings))
                self.assertAllClose(expected, steps_of(AdamW(**settings)), rtol=1e-5, atol=1e-6)

    def test_settings_differ_from_each_other(self):
        """Guards the comparison above: no setting may be without effect."""
        ends = [steps_of(AdamW(**settings))[-1][0] for settings in SETTINGS]
        for a, b in itertools.combinations(ends, 2):
            self.assertNotAllClose(a, b, rtol=1e-3)

    def test_by_hand(self):
        """w=2, g=3, lr=0.1, after a first step that left m=1 and v=4."""
        optimizer = AdamW(weight_decay=0.5, beta_1=0.5, beta_2=0.75, epsilon=0.5)
        state = [tf.constant(1.0), tf.constant([1.0]), tf.constant([4.0])]
        weights, state = optimizer.step(
            [tf.constant([2.0])], [tf.constant([3.0])], state, 0.1, [True]
        )
        # m = 0.5 + 1.5; v = 3 + 2.25
        self.assertAllClose(state, [2.0, [2.0], [5.25]])
        step = 0.1 * np.sqrt(1 - 0.75**2) / (1 - 0.5**2) * 2 / (np.sqrt(5.25) + 0.5)
        self.assertAllClose(weights, [[2 - 0.1 * 0.5 * 2 - step]])

    def test_initial_state(self):
        state = AdamW().initial_state(starting_weights())
        self.assertEqual([tuple(part.shape) for part in state], [(), *SHAPES, *SHAPES])
        self.assertTrue(all(np.all(part == 0) and part.dtype == tf.float32 for part in state))

    def test_lengths_must_agree(self):
        weights = starting_weights()
        optimizer = AdamW()
        state = optimizer.initial_state(weights)
        for gradients, kept in ((weights[:2], state), (weights, state[:-1])):
            with self.assertRaisesRegex(ValueError, "zip"):
                optimizer.step(weights, gradients, kept, 0.1, DECAY)

    def test_values_out_of_range_are_refused(self):
        for arguments in (
            {"beta_1": 1.0},
            {"beta_2": -0.1},
            {"epsilon": 0.0},
            {"weight_decay": -1e-4},
            {"weight_decay": float("nan")},
            {"learning_rate": -1.0},
            {"clip_norm": 0.0},
        ):
            with self.assertRaisesRegex(ValueError, next(iter(arguments))):
                AdamW(**arguments)

    def test_examples(self):
        run_examples(adamw)
