"""A run with a loss and metrics of its own, through the commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import tensorflow as tf

from dbsl_tf.results.run_directory import RunDirectory
from tests.support.tiny_runs import ROOT, TinyRunCase

OWN = "tests.support.own_objective"
METRICS = (
    "training.metrics=[{TopKCategoricalAccuracy: {k: 3, name: top3}}, RootMeanSquaredError, "
    f"{OWN}:squared_distance]"
)


@pytest.mark.cluster
class OwnObjectiveTest(TinyRunCase):
    @pytest.mark.slow
    def test_a_run_without_accuracy_from_training_to_report(self):
        options = ("training.loss=mean_squared_error", METRICS)
        status, output, errors = self.finish(self.start(*options, "schedule.epochs=2"))
        self.assertEqual((status, errors), (0, ""))
        # It goes on where it was, by records that have no accuracy.
        status, output, errors = self.finish(self.start(*options, "schedule.epochs=4"))
        self.assertEqual((status, errors), (0, ""))
        self.assertNotIn("accuracy", output)
        self.check_every_commit_counts_once(8)
        names = ["top3", "root_mean_squared_error", "squared_distance"]
        last = self.events("evaluation")[-1]
        for event in (*self.events("commit"), last):
            part = "train" if event["event"] == "commit" else "test"
            self.assertIsNone(event[f"{part}_accuracy"])
            metrics = event[f"{part}_metrics"]
            self.assertEqual([*metrics], names)
            # The same errors three times: their mean, its root, and their sum over ten classes.
            loss = event[f"{part}_loss"]
            self.assertAllClose(metrics["root_mean_squared_error"] ** 2, loss, rtol=1e-4)
            self.assertAllClose(metrics["squared_distance"], 10 * loss, rtol=1e-4)
        self.assertLess(last["test_loss"], self.events("commit")[0]["train_loss"])
        summary = RunDirectory(self.run).read_json(self.run / "summary.json")
        self.assertIsNone(summary["test_accuracy"])
        self.assertEqual(summary["test_metrics"], last["test_metrics"])
        # By one process over the whole test set: what the workers' shares came to.
        content = json.loads(self.command("evaluate", "--json", "-"))
        self.assertAllClose(content["loss"], last["test_loss"], rtol=1e-4)
        self.assertAllClose(content["metrics"], last["test_metrics"], rtol=1e-4)
        self.command("report")
        self.assertIn("test top3, last", (self.run / "report.html").read_text())

    def command(self, name: str, *arguments: str) -> str:
        result = subprocess.run(
            [sys.executable, "-m", f"dbsl_tf.{name}", str(self.run), *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "XDG_CACHE_HOME": str(self.folder / "cache"),
                "TQDM_DISABLE": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    @pytest.mark.slow
    def test_what_does_not_fit_is_one_line(self):
        for option, expected in (
            ("training.metrics=[SparseCategoricalAccuracy]", "metric sparse_categorical_accuracy"),
            ("training.metrics=[F1Score]", "metric f1_score gives (10,) instead of one number"),
        ):
            status, _, errors = self.finish(self.start("training.loss=mse", option))
            self.assertEqual(status, 2)
            self.assertRegex(errors, r"^error: [^\n]*\n$")
            self.assertIn(expected, errors)
            self.check_nothing_is_left()


if __name__ == "__main__":
    tf.test.main()
