"""From the configuration to an optimiser: built-ins, and those of others."""

from __future__ import annotations

import pickle
from pathlib import Path

import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.config import load_config
from dbsl_tf.config.registries import OPTIMIZERS
from dbsl_tf.training.optimizers import LARS, SGD, AdamW, Clipped, build_optimizer, optimizer
from tests.support.optimizer_steps import run_examples, starting_weights
from tests.support.own_optimizers import Lion

CONFIG = Path(__file__).parents[3] / "configs" / "quickstart.yaml"
OWN = "name=tests.support.own_optimizers:"


def built(*overrides: str):
    return build_optimizer(
        load_config(CONFIG, [f"optimizer.{override}" for override in overrides]).optimizer
    )


class ConfiguredTest(tf.test.TestCase):
    def test_builtins(self):
        self.assertEqual(
            built("momentum=0.5", "nesterov=true", "decay_mode=decoupled"),
            SGD(momentum=0.5, nesterov=True, weight_decay=5e-4, decay_mode="decoupled"),
        )
        self.assertEqual(
            built("name=adamw", "beta_1=0.8", "epsilon=1e-8"),
            AdamW(beta_1=0.8, epsilon=1e-8, weight_decay=5e-4),
        )
        self.assertEqual(
            built("name=lars", "trust_coefficient=0.02", "clip_norm=3"),
            Clipped(LARS(trust_coefficient=0.02), 3),
        )

    def test_of_another_module(self):
        lion = built(f"{OWN}Lion", "options={warm_up: 4}")
        self.assertIsInstance(lion, Lion)
        weights = starting_weights()
        state = lion.initial_state(weights)
        new, _ = lion.step(weights, weights, state, 0.4, [True] * 3)
        self.assertAllClose(new[0], weights[0] - 0.1 * tf.sign(weights[0]))

    def test_registered(self):
        OPTIMIZERS.register("lion", Lion)
        self.addCleanup(OPTIMIZERS._entries.pop, "lion")
        self.assertIsInstance(built("name=lion", "clip_norm=1").optimizer, Lion)

    def test_what_is_none_is_one_line(self):
        for overrides, expected in (
            ([f"{OWN}Lyon"], "has no Lyon; did you mean Lion?"),
            ([f"{OWN}NoSteps"], "has no method step"),
            ([f"{OWN}Lion", "options={warm_up: 0}"], "warm_up must be 1 or more"),
            ([f"{OWN}Lion", "options={gamma: 0}"], "unexpected keyword argument 'gamma'"),
            (["name=tests.support.no_such:Lion"], "there is no module tests.support.no_such"),
        ):
            with self.subTest(overrides=overrides), self.assertRaises(UserError) as caught:
                built(*overrides)
            self.assertIn(expected, str(caught.exception))
            self.assertNotIn("\n", str(caught.exception))

    def test_the_example_of_the_protocol(self):
        run_examples(optimizer)

    def test_all_can_be_sent_to_another_process(self):
        for each in (SGD(), AdamW(), LARS(clip_norm=1.0), Clipped(SGD(), 1.0)):
            self.assertEqual(pickle.loads(pickle.dumps(each)), each)
