"""LARS step by step against algorithm 1 of its paper in numpy."""

import itertools

import numpy as np
import tensorflow as tf

from dbsl_tf.training.optimizers import LARS, lars
from tests.support.optimizer_steps import (
    DECAY,
    RATES,
    gradients_at,
    run_examples,
    starting_weights,
    steps_of,
)

SETTINGS = [
    {"momentum": 0.0, "trust_coefficient": 0.02},
    {"momentum": 0.9, "trust_coefficient": 0.02},
    {"momentum": 0.9, "trust_coefficient": 0.3},
    {"momentum": 0.9, "trust_coefficient": 0.02, "weight_decay": 0.4},
]


def by_the_paper(momentum, trust_coefficient, weight_decay=5e-4):
    """Weights after every step, in float64; the velocity has the sign of the paper."""
    weights = [weight.numpy().astype(np.float64) for weight in starting_weights()]
    velocities = [np.zeros_like(weight) for weight in weights]
    history = []
    for number, rate in enumerate(RATES):
        gradients = gradients_at([tf.constant(weight) for weight in weights], number)
        for place, gradient in enumerate(np.asarray(g) for g in gradients):
            weight, decay, local_rate = weights[place], 0.0, 1.0
            if DECAY[place]:
                decay = weight_decay
                norm = np.sqrt(np.sum(weight**2))
                local_rate = (
                    trust_coefficient * norm / (np.sqrt(np.sum(gradient**2)) + decay * norm)
                )
            velocities[place] = momentum * velocities[place] + rate * local_rate * (
                gradient + decay * weight
            )
            weights[place] = weight - velocities[place]
        history.append(list(weights))
    return history


class LARSTest(tf.test.TestCase):
    def test_matches_the_paper_step_by_step(self):
        for settings in SETTINGS:
            with self.subTest(settings=settings):
                expected = by_the_paper(**settings)
                self.assertAllClose(expected, steps_of(LARS(**settings)), rtol=1e-5, atol=1e-6)

    def test_settings_differ_from_each_other(self):
        """Guards the comparison above: no setting may be without effect."""
        ends = [by_the_paper(**settings)[-1][0] for settings in SETTINGS]
        for a, b in itertools.combinations(ends, 2):
            self.assertNotAllClose(a, b, rtol=1e-3)

    def test_a_weight_or_gradient_of_zero_is_finite(self):
        optimizer = LARS(momentum=0.0, weight_decay=0.0)
        for weight, gradient, expected in ((0.0, 2.0, -0.2), (3.0, 0.0, 3.0), (0.0, 0.0, 0.0)):
            weights, _ = optimizer.step(
                [tf.constant([weight])], [tf.constant([gradient])], [], 0.1, [True]
            )
            self.assertAllClose(weights, [[expected]])

    def test_state(self):
        weights = starting_weights()
        self.assertEqual(LARS(momentum=0.0).initial_state(weights), [])
        self.assertAllEqual(LARS().initial_state(weights)[0], np.zeros((3, 4)))

    def test_lengths_must_agree(self):
        weights = starting_weights()
        with self.assertRaisesRegex(ValueError, "zip"):
            LARS().step(weights, weights, weights[:2], 0.1, DECAY)

    def test_values_out_of_range_are_refused(self):
        for arguments in (
            {"momentum": 1.0},
            {"weight_decay": -1e-4},
            {"trust_coefficient": 0.0},
            {"learning_rate": 0.0},
            {"clip_norm": -1.0},
        ):
            with self.assertRaisesRegex(ValueError, next(iter(arguments))):
                LARS(**arguments)

    def test_examples(self):
        run_examples(lars)
