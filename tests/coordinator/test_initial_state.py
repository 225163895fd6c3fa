"""What a run goes on with from a checkpoint."""

from __future__ import annotations

import sys

import numpy as np
import tensorflow as tf

from dbsl_tf.config import load_config
from dbsl_tf.coordinator.initial_state import initial_state
from dbsl_tf.resolved import settings_of
from dbsl_tf.results.checkpoints import Checkpoint
from dbsl_tf.shared_model.configured import merge_rule
from dbsl_tf.shared_model.merging import Merging
from dbsl_tf.training.optimizers import SGD
from tests.support.softmax_regression import build_network


class InitialStateTest(tf.test.TestCase):
    def resumed(self, rule: str, saved_by: str, copies: dict[str, list[np.ndarray]]):
        settings = settings_of(load_config("quickstart.yaml", [f"merge.rule={rule}"]), 600)
        network = build_network()
        checkpoint = Checkpoint(
            commit=3,
            clocks=(2, 1),
            samples={},
            wall_seconds=1.0,
            time_models={},
            weights=network.initial_weights(),
            optimizer_state=[],
            merge_state=copies,
            merge_rule=saved_by,
        )
        merging = Merging(merge_rule(settings.merge, 2), trainable=network.trainable_count)
        return initial_state(settings, network, SGD(), merging, checkpoint)

    def copies(self, *names: str) -> dict[str, list[np.ndarray]]:
        weights = build_network().initial_weights()
        return {name: [np.ones_like(weight) for weight in weights] for name in names}

    def test_what_the_same_rule_kept_goes_on(self):
        kept = self.copies("momentum", "sum")
        state = self.resumed("delayed_nesterov", "delayed_nesterov", kept)
        self.assertEqual(state.commit, 3)
        self.assertIs(state.merge_state, kept)

    def test_what_another_rule_kept_is_dropped_and_that_is_said(self):
        for rule in ("average", "delayed_nesterov"):
            with self.captureWritesToStream(sys.stderr) as told:
                state = self.resumed(rule, "nesterov", self.copies("momentum"))
            self.assertEqual(state.merge_state, {})
            expected = f"merge.rule is {rule}: what nesterov kept of the merges before is dropped"
            self.assertIn(expected, told.contents())

    def test_a_checkpoint_of_an_earlier_version_has_none(self):
        self.assertEqual(self.resumed("delayed_nesterov", "", {}).merge_state, {})


if __name__ == "__main__":
    tf.test.main()
