"""SGD step by step against the optimisers of keras-core and Keras 3."""

import itertools

import keras
import keras_core
import numpy as np
import tensorflow as tf

from dbsl_tf.training.sgd import SGD

SHAPES = [(3, 4), (4,), (2, 2, 3, 1)]
DECAY = [True, False, True]
RATES = [0.1, 0.1, 0.02, 0.5, 0.003]


def gradients_at(weights, step):
    """Gradients that depend on the weights, so that an early difference would grow."""
    generator = np.random.default_rng(step)
    return [tf.sin(w * 3.0) + tf.constant(generator.normal(size=w.shape), w.dtype) for w in weights]


def starting_weights():
    generator = np.random.default_rng(5)
    return [tf.constant(generator.normal(size=shape), tf.float32) for shape in SHAPES]


def keras_history(module, momentum, nesterov, weight_decay, decay_mode):
    """Weights after every step of the module's own SGD."""
    decoupled = weight_decay if decay_mode == "decoupled" and weight_decay else None
    optimizer = module.optimizers.SGD(
        RATES[0], momentum=momentum, nesterov=nesterov, weight_decay=decoupled
    )
    variables = [
        module.Variable(w.numpy(), name="kernel" if decays else "bias")
        for w, decays in zip(starting_weights(), DECAY, strict=True)
    ]
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.build(variables)
    history = []
    for step, rate in enumerate(RATES):
        optimizer.learning_rate.assign(rate)
        gradients = gradients_at([tf.constant(v.numpy()) for v in variables], step)
        if decay_mode == "l2":
            gradients = [
                g + weight_decay * v.numpy() if decays else g
                for g, v, decays in zip(gradients, variables, DECAY, strict=True)
            ]
        optimizer.apply_gradients(list(zip(gradients, variables, strict=True)))
        history.append([v.numpy() for v in variables])
    return history


class SGDTest(tf.test.TestCase):
    def test_matches_keras_step_by_step(self):
        combinations = itertools.product(
            (keras_core, keras), (0.0, 0.9), (False, True), (0.0, 0.05), ("l2", "decoupled")
        )
        for module, *settings in combinations:
            with self.subTest(module=module.__name__, settings=settings):
                sgd = SGD(*settings)
                weights = starting_weights()
                velocity = sgd.initial_velocity(weights)
                for step, expected in enumerate(keras_history(module, *settings)):
                    weights, velocity = sgd.step(
                        weights,
                        gradients_at(weights, step),
                        velocity,
                        tf.constant(RATES[step]),
                        DECAY,
                    )
                    self.assertAllClose(expected, weights, rtol=1e-5, atol=1e-6)

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
            sgd = SGD(0.5, nesterov, 0.3 if decay_mode else 0.0, decay_mode or "l2")
            weights, velocity = sgd.step(
                [tf.constant([1.0])], [tf.constant([2.0])], [tf.constant([0.5])], 0.1, [True]
            )
            self.assertAllClose(velocity, [[speed]])
            self.assertAllClose(weights, [[weight]])

    def test_without_momentum_no_velocity_is_kept(self):
        sgd = SGD(momentum=0.0)
        weights = starting_weights()
        self.assertEqual(sgd.initial_velocity(weights), [])
        _, velocity = sgd.step(weights, gradients_at(weights, 0), [], 0.1, DECAY)
        self.assertEqual(velocity, [])

    def test_initial_velocity_is_zero(self):
        velocity = SGD().initial_velocity(starting_weights())
        self.assertAllEqual(velocity[2], np.zeros(SHAPES[2]))

    def test_lengths_must_agree(self):
        weights = starting_weights()
        sgd = SGD()
        with self.assertRaisesRegex(ValueError, "zip"):
            sgd.step(weights, weights[:2], sgd.initial_velocity(weights), 0.1, DECAY)

    def test_values_out_of_range_are_refused(self):
        for arguments in (
            {"momentum": 1.0},
            {"momentum": -0.1},
            {"weight_decay": -1e-4},
            {"weight_decay": float("nan")},
            {"decay_mode": "L2"},
        ):
            with self.assertRaisesRegex(ValueError, next(iter(arguments))):
                SGD(**arguments)
