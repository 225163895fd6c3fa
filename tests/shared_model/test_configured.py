"""From the configuration to a merge rule: built-ins, and those of others."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.config import load_config
from dbsl_tf.config.registries import MERGE_RULES
from dbsl_tf.shared_model.configured import merge_rule
from dbsl_tf.shared_model.merge import average, interpolate
from dbsl_tf.shared_model.outer import DelayedNesterov, Delta, Moment, Nesterov, SlowMo
from tests.support.own_merge_rules import clipped

OWN = "tests.support.own_merge_rules:"


def configured(rule: str, *overrides: str):
    config = load_config("quickstart.yaml", [f"merge.rule={rule}", *overrides])
    return merge_rule(config.merge, config.cluster.workers, config.sync.in_rounds)


class ConfiguredTest(tf.test.TestCase):
    def test_builtins_and_their_aliases(self):
        for name, rule in (
            ("average", average),
            ("journal", average),
            ("interpolate", interpolate),
            ("compsac", interpolate),
        ):
            self.assertIs(configured(name), rule)

    def test_of_another_module(self):
        rule = configured(f"{OWN}clipped")
        # 1 + 0.5·(1.01 − 1), and 2 − 0.01 as 0.5·(1 − 2) is below −0.01.
        merged = rule(np.float32([1, 2]), np.float32([1.01, 1]), np.float32(0.5))
        self.assertAllClose(merged, [1.005, 1.99])

    def test_registered(self):
        MERGE_RULES.register("clipped", clipped)
        self.addCleanup(MERGE_RULES._entries.pop, "clipped")
        self.assertIs(configured("clipped"), clipped)

    def test_what_is_none_is_one_line(self):
        for rule, expected in (
            ("missing", "has no missing; "),
            ("of_two", "which fails (TypeError: of_two() takes 2 positional arguments"),
            ("by_value", "which fails (OperatorNotAllowedInGraphError"),
            ("mean", "which returns float32 [] for float32 [2]; give a function of (g, w, f)"),
            ("nothing", "which returns None; give a function of (g, w, f)"),
        ):
            with self.subTest(rule), pytest.raises(UserError) as refusal:
                configured(f"{OWN}{rule}")
            message = str(refusal.value)
            self.assertStartsWith(message, f"merge.rule is '{OWN}{rule}'")
            self.assertIn(expected, message)
            self.assertNotIn("\n", message)

    def test_outer_optimisers_get_the_numbers_of_the_configuration(self):
        self.assertEqual(configured("delta", "merge.learning_rate=0.5"), Delta(2, 0.5))
        self.assertEqual(configured("delayed_nesterov"), DelayedNesterov(2))
        given = ["merge.learning_rate=2", "merge.momentum=0.1", "sync.mode=bsp"]
        self.assertEqual(configured("nesterov", *given), Nesterov(2, 2.0, 0.1))
        self.assertEqual(configured("slowmo", *given), SlowMo(2, 2.0, 0.1))
        self.assertEqual(configured("nesterov", "sync.mode=bsp"), Nesterov(2, 0.7, 0.9))
        sixteen = ("sync.mode=bsp", "cluster.workers=16", "dual_batch.small_workers=8")
        self.assertEqual(configured("slowmo", *sixteen), SlowMo(16, 1.0, 0.6))

    def test_a_class_of_another_module(self):
        optimizer = configured(f"{OWN}HeavyBall", "merge.momentum=0.25")
        moment = Moment(0.5, True, 0.1, 1.0)
        kept = {"velocity": np.float32([1, 0])}
        weight, kept = optimizer.step(np.float32([1, 2]), np.float32([4, 2]), kept, moment)
        # 0.25·1 + 0.5·4 = 2.25 and 0.5·2 = 1.
        self.assertAllClose(kept["velocity"], [2.25, 1])
        self.assertAllClose(weight, [-1.25, 1])

    def test_a_class_that_is_none_is_one_line(self):
        for rule, overrides, expected in (
            ("Nothing", (), "which fails (TypeError: "),
            ("Forgetful", (), "whose step returns [] beside the weights and not ['velocity']"),
            ("Shrinking", (), "which returns float32 [1] for float32 [2]; give a class as in"),
            ("InRounds", (), "which works with rounds only; set sync.mode to bsp, or give another"),
            ("clipped", ("merge.momentum=0.5",), "a function of (g, w, f)"),
        ):
            with self.subTest(rule), pytest.raises(UserError) as refusal:
                configured(f"{OWN}{rule}", *overrides)
            self.assertIn(expected, str(refusal.value))
            self.assertNotIn("\n", str(refusal.value))
        self.assertEqual(configured(f"{OWN}InRounds", "sync.mode=bsp").copies, ("velocity",))


if __name__ == "__main__":
    tf.test.main()
