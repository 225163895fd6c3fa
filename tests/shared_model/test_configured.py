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
from tests.support.own_merge_rules import clipped

OWN = "tests.support.own_merge_rules:"


def configured(rule: str):
    return merge_rule(load_config("quickstart.yaml", [f"dual_batch.merge={rule}"]).dual_batch.merge)


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
            self.assertStartsWith(message, f"dual_batch.merge is '{OWN}{rule}'")
            self.assertIn(expected, message)
            self.assertNotIn("\n", message)


if __name__ == "__main__":
    tf.test.main()
