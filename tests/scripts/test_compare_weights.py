"""What could be evaluated of a run, side by side."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import tensorflow as tf

from tests.support.commands import ROOT, run_command
from tests.support.tiny_runs import TinyRunCase


@pytest.mark.slow
@pytest.mark.cluster
class CompareWeightsTest(TinyRunCase):
    def compare(self):
        command = [sys.executable, "-m", "scripts.compare_weights", str(self.run), "--batches", "4"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    def train(self, *overrides):
        status, _, errors = self.finish(self.start(*overrides))
        self.assertEqual((status, errors), (0, ""))

    def test_the_average_is_what_the_run_evaluates(self):
        self.train("evaluation.average=last", "evaluation.average_epochs=3")
        result = self.compare()
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        name, *accuracies = result.stdout.splitlines()[-1].split()
        self.assertEqual((name, len(accuracies)), ("run", 4))
        evaluated = json.loads(run_command("evaluate", self.run, "--json", "-").stdout)
        self.assertAlmostEqual(float(accuracies[2]), 100 * evaluated["accuracy"], places=2)
        # Two of them may classify equally many images correctly, but hardly all.
        self.assertGreater(len({*accuracies}), 1)

    def test_a_run_without_an_average_is_told_so(self):
        self.train("schedule.epochs=1", "schedule.milestones=[]")
        result = self.compare()
        self.assertEqual(result.returncode, 1)
        self.assertIn("has no average: train with evaluation.average=ema", result.stderr)


if __name__ == "__main__":
    tf.test.main()
