"""The command that evaluates a run, on a network of known weights."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import tensorflow as tf

from dbsl_tf.data.pipeline import test_dataset as images_and_labels
from dbsl_tf.data.prepare import prepare
from dbsl_tf.data.training_data import Share
from dbsl_tf.results.checkpoints import Checkpoints
from tests.data.small_images import write_image_folder
from tests.support.commands import check_one_line_mistake
from tests.support.small_runs import initial_weights, tiny_config, write_run
from tests.support.tiny_runs import ROOT


class EvaluateCommandTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.enterContext(TemporaryDirectory()))
        self.cache = self.folder / "cache" / "dbsl_tf"
        self.run = self.folder / "run"
        self.settings = tiny_config(self.folder)

    def command(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dbsl_tf.evaluate", str(self.run), *map(str, arguments)],
            cwd=ROOT,
            env={
                **os.environ,
                "XDG_CACHE_HOME": str(self.folder / "cache"),
                # Else a slow machine shows how far it is.
                "TQDM_DISABLE": "1",
            },
            capture_output=True,
            text=True,
        )

    @pytest.mark.slow
    def test_everything_of_the_newest_checkpoint(self):
        weights = initial_weights(self.settings)
        # All kernels 0 and one offset of the classifier: all images are taken for class 7.
        constant = [np.zeros_like(array) for array in weights]
        offset = next(i for i, array in enumerate(weights) if array.shape == (10,))
        constant[offset][7] = 2.0
        write_run(self.run, self.settings, {1: weights, 2: constant})
        files = [self.folder / "new" / name for name in ("e.json", "e.csv", "e.png")]
        options = [f for pair in zip(("--json", "--csv", "--plot"), files) for f in pair]
        result = self.command(*options)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        labels = self.labels()
        sevens = int((labels == 7).sum())
        content = json.loads(files[0].read_text())
        self.assertEqual((content["commit"], content["samples"]), (2, 360))
        self.assertEqual(content["accuracy"], sevens / 360)
        self.assertIn(f"top-1 {sevens / 360:.2%}", result.stdout)
        # Of equal logits those of lower classes come first: 7, then 0 to 3.
        self.assertEqual(content["confusion"][3][7], int((labels == 3).sum()))
        log_total = np.log(np.exp(2.0) + 9)
        self.assertAllClose(content["loss"], log_total - 2.0 * sevens / 360, rtol=1e-5)
        with open(files[1]) as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([float(row["accuracy"]) for row in rows], [0] * 7 + [1] + [0] * 2)
        self.assertEqual(files[2].read_bytes()[:4], b"\x89PNG")
        kept = json.loads((self.run / "evaluation.json").read_text())
        self.assertEqual((kept["commit"], kept["data"]), (2, None))
        self.assertEqual(kept["classes"], content["classes"])
        self.assertNotIn("confusion", kept)
        found = np.sum(content["confusion"], axis=1).tolist()
        self.assertEqual(found, np.bincount(labels).tolist())
        self.assertGreater(content["top5_accuracy"], content["accuracy"])

    def test_loss_and_metrics_are_those_of_the_run(self):
        self.settings = tiny_config(
            self.folder,
            "training.loss=mean_squared_error",
            "training.metrics=[{TopKCategoricalAccuracy: {k: 2, name: top2}}]",
            "evaluation.average=last",
        )
        weights = [np.zeros_like(array) for array in initial_weights(self.settings)]
        offset = next(i for i, array in enumerate(weights) if array.shape == (10,))
        weights[offset][7], weights[offset][3] = 2.0, 1.0
        # The run averages its weights: those of the commit itself are others.
        run = write_run(self.run, self.settings, {1: initial_weights(self.settings)})
        checkpoints = Checkpoints(run.checkpoints, keep=1)
        averaged = replace(checkpoints.at(1), average=weights, averaging=("last", 0))
        checkpoints.save(averaged)
        result = self.command("--json", "-")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        content = json.loads(result.stdout)
        self.assertEqual(content["weights"], "mean over the last 2 epochs")
        labels = self.labels()
        error = weights[offset] - np.eye(10)[labels]
        self.assertAllClose(content["loss"], np.mean(error**2), rtol=1e-5)
        self.assertAllClose(content["metrics"], {"top2": np.isin(labels, [3, 7]).mean()})
        self.assertEqual(content["accuracy"], np.mean(labels == 7))

    def labels(self) -> np.ndarray:
        data = prepare("digits", self.cache)
        batches = images_and_labels(data, Share(start=0, stop=360, batch=360))
        ((_, labels),) = batches.as_numpy_iterator()
        return labels.argmax(axis=-1)

    def test_mistakes(self):
        write_run(self.run, self.settings, {2: initial_weights(self.settings)})
        for arguments, expected in (
            (["--checkpoint", 1], "has no checkpoint of commit 1; it has 2"),
            (["--plot", "scores.txt"], "--plot is scores.txt"),
            (["--json", self.folder], "is a folder; give the name of a file"),
            (["--checkpoint", "last"], "invalid int value: 'last'"),
        ):
            check_one_line_mistake(self.command(*arguments), expected)

    @pytest.mark.slow
    def test_images_of_another_folder_must_have_the_same_classes(self):
        write_image_folder(self.folder / "images")
        overrides = ["data.name=image_folder", f"data.dir={self.folder / 'gone'}"]
        overrides += ["data.image_size=32", "model.stem=cifar"]
        config = tiny_config(self.folder, *overrides)
        write_run(self.run, config, {2: initial_weights(config)})
        result = self.command("--data", self.folder / "images")
        self.assertEqual(result.returncode, 2)
        self.assertIn("images has 3 classes, but the run was trained on 10", result.stderr)
        check_one_line_mistake(self.command(), "gone")

    @pytest.mark.slow
    def test_damaged_files_are_told_in_a_line(self):
        # One block of the network is missing.
        run = write_run(self.run, self.settings, {2: initial_weights(self.settings)[:-3]})
        check_one_line_mistake(self.command(), "weights do not fit the network")
        run.write_json(run.data, {})
        check_one_line_mistake(self.command(), "data.json cannot be read (classes is None")


if __name__ == "__main__":
    tf.test.main()
