"""The command line on data of a user's own, with real server processes."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from tests.support.patience import at_most
from tests.support.tiny_runs import ROOT, TinyRunCase

FLOWERS = ("data.name=tests.support.flowers:flowers", "data.train_samples=null")


@pytest.mark.cluster
class OwnDataTest(TinyRunCase):
    @pytest.mark.slow
    def test_a_run_its_resumption_and_its_evaluation(self):
        status, _, errors = self.finish(self.start(*FLOWERS, "schedule.epochs=1"))
        self.assertEqual((status, errors), (0, ""))
        facts = json.loads((self.run / "data.json").read_text())
        self.assertEqual((facts["name"], facts["classes"]), (FLOWERS[0].split("=")[1], 4))
        self.assertEqual(facts["y"], "float32 [None, 4]")
        plan = json.loads((self.run / "plan.json").read_text())
        self.assertEqual(plan["small_samples"] + plan["large_samples"], 100)
        for commit in self.events("commit"):
            self.assertEqual(commit["samples"], plan[f"{commit['role']}_samples"])
        written = {path: path.stat().st_mtime_ns for path in (self.run / "data").iterdir()}
        self.assertLen(written, 3)

        status, _, errors = self.finish(self.start(*FLOWERS, "schedule.epochs=3"))
        self.assertEqual((status, errors), (0, ""))
        self.check_every_commit_counts_once(6)
        self.assertEqual({path: path.stat().st_mtime_ns for path in written}, written)
        last = self.events("evaluation")[-1]
        self.assertEqual(last["samples"], 20)
        self.check_evaluation(last)
        self.check_model()

    def check_evaluation(self, reported: dict):
        result = subprocess.run(
            [sys.executable, "-m", "dbsl_tf.evaluate", str(self.run), "--json", "-"],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=at_most(60),
            check=True,
        )
        found = json.loads(result.stdout)
        self.assertEqual(found["samples"], 20)
        self.assertAllClose(found["accuracy"], reported["test_accuracy"], atol=1e-9)
        self.assertAllClose(found["loss"], reported["test_loss"], rtol=1e-4)

    def check_model(self):
        """The exported model maps what the data yield."""
        import keras

        model = keras.saving.load_model(self.run / "model.keras")
        self.assertEqual(model(np.zeros((2, 32, 32, 3), np.float32)).shape, (2, 4))

    @pytest.mark.slow
    def test_data_that_cannot_be_used_are_one_line(self):
        process = self.start("data.name=tests.support.flowers:nothing", FLOWERS[1])
        status, _, errors = self.finish(process)
        self.assertEqual(status, 2)
        self.assertIn("which is not training data", errors)
        self.assertNotIn("Traceback", errors)
        self.assertFalse(self.run.exists())
