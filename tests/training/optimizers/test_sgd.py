"""SGD step by step against the optimisers of keras-core and Keras 3."""

import itertools

import keras
import keras_core
import numpy as np
import tensorflow as tf

from dbsl_tf.training.optimizers import SGD, sgd
from tests.support.optimizer_steps import (
    DECAY,
    SHAPES,
    gradients_at,
    keras_steps,
    run_examples,
    starting_weights,
    steps_of,
)


def keras_history(module, momentum, nesterov, weight_decay, decay_mode):
    """Weights after every step of the module's own SGD."""
    decoupled = weight_decay if decay_mode == "decoupled" and weight_decay else None
    optimizer = module.optimizers.SGD(momentum=momentum, nesterov=nesterov, weight_decay=decoupled)
    return keras_steps(module, optimizer, weight_decay if decay_mode == "l2" else 0.0)


class SGDTest(tf.test.TestCase):
    def test_matches_keras_step_by_step(self):
        combinations = itertools.product(
            (keras_core, keras), (0.0, 0.9), (False, True), (0.0, 0.05), ("l2", "decoupled")
        )
        for module, *settings in combinations:
            with self.subTest(module=module.__name__, settings=settings):
                momentum, nesterov, weight_decay, decay_mode = settings
                mine = SGD(
                    momentum=momentum,
                    nesterov=nesterov,
                    weight_decay=weight_decay,
                    decay_mode=decay_mode,
                )
                expected = keras_history(module, *settings)
                self.assertAllClose(expected, steps_of(mine), rtol=1e-5, atol=1e-6)

    def test_settings_differ_from_each_other(self):
        """Guards the comparison above: no setting may be without effect."""
        settings = [
            (0.0, False, 0.0, "l2"),
            (0.9, False, 0.0, "l2"),
            (0.9, True, 0.0, "l2"),
            (0.9, True, 0.05, "l2"),
            (0.9, True, 0.05, "decoupled"),
        ]
        ends = [keras_history(keras_core, *setting)[-1][0] for setting in settings]
        for a, b in itertools.combinations(ends, 2):
            self.assertNotAllClose(a, b, rtol=1e-3)

    def test_by_hand(self):
        """w=1, g=2, v=0.5, lr=0.1, momentum 0.5, weight decay 0.3."""
        for nesterov, decay_mode, speed, weight in [
            # v = 0.25 - 0.2; w = 1 + v
            (False, None, 0.05, 1.05),
            # w = 1 + 0.5·0.05 - 0.2
            (True, None, 0.05, 0.825),
            # g = 2.3; v = 0.25 - 0.23
            (False, "l2", 0.02, 1.02),
            # w = 1 - 0.03 + 0.05
            (False, "decoupled", 0.05, 1.02),
            (True, "l2", 0.02, 0.78),
            (True, "decoupled", 0.05, 0.795),
        ]:
            optimizer = SGD(
                momentum=0.5,
                nesterov=nesterov,
                weight_decay=0.3 if decay_mode else 0.0,
                decay_mode=decay_mode or "l2",
            )
            weights, velocity = optimizer.step(
                [tf.constant([1.0])], [tf.constant([2.0])], [tf.constant([0.5])], 0.1, [True]
            )
            self.assertAllClose(velocity, [[speed]])
            self.assertAllClose(weights, [[weight]])

    def test_without_momentum_no_velocity_is_kept(self):
        optimizer = SGD(momentum=0.0)
        weights = starting_weights()
        self.assertEqual(optimizer.initial_state(weights), [])
        _, velocity = optimizer.step(weights, gradients_at(weights, 0), [], 0.1, DECAY)
        self.assertEqual(velocity, [])

    def test_initial_velocity_is_zero(self):
        velocity = SGD().initial_state(starting_weights())
        self.assertAllEqual(velocity[2], np.zeros(SHAPES[2]))

    def test_lengths_must_agree(self):
        weights = starting_weights()
        optimizer = SGD()
        with self.assertRaisesRegex(ValueError, "zip"):
            optimizer.step(weights, weights[:2], optimizer.initial_state(weights), 0.1, DECAY)

    def test_values_out_of_range_are_refused(self):
        for arguments in (
            {"momentum": 1.0},
            {"momentum": -0.1},
            {"weight_decay": -1e-4},
            {"weight_decay": float("nan")},
            {"decay_mode": "L2"},
            {"learning_rate": 0.0},
            {"learning_rate": float("nan")},
            {"clip_norm": 0.0},
        ):
            with self.assertRaisesRegex(ValueError, next(iter(arguments))):
                SGD(**arguments)

    def test_examples(self):
        run_examples(sgd)
