"""Training that goes on with a run whose files are damaged."""

from __future__ import annotations

import pytest
import tensorflow as tf

from tests.support.tiny_runs import TinyRunCase


@pytest.mark.cluster
class DamagedRunTest(TinyRunCase):
    def train(self, *overrides: str) -> str:
        """What a run to its end says."""
        status, output, errors = self.finish(self.start(*overrides))
        self.assertEqual((status, errors), (0, ""))
        return output

    def test_a_run_whose_history_lost_lines_is_trained_again_from_before_them(self):
        history = self.run / "history.jsonl"
        self.train()
        lines = history.read_text().splitlines(keepends=True)
        history.write_text("".join(line for line in lines if '"commit": 6' not in line))
        output = self.train()
        self.assertIn("lacks commit 6): going on from a checkpoint before that", output)
        self.assertIn("going on after commit 4 of 6", output)
        self.check_every_commit_counts_once(6)
        self.assertEqual(len(self.events("commit")), 7)


if __name__ == "__main__":
    tf.test.main()
