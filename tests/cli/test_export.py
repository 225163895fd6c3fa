"""The command that takes a run away; the formats have tests of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import tensorflow as tf

from dbsl_tf.common.checksums import verified
from tests.support.commands import check_one_line_mistake
from tests.support.small_runs import initial_weights, tiny_config, write_run
from tests.support.tiny_runs import ROOT


class ExportCommandTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.enterContext(TemporaryDirectory()))
        self.run = self.folder / "run"
        config = tiny_config(self.folder)
        self.weights = initial_weights(config)
        zeros = [np.zeros_like(array) for array in self.weights]
        write_run(self.run, config, {1: zeros, 2: self.weights})

    def command(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dbsl_tf.export", str(self.run), *map(str, arguments)],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )

    def export(self, *arguments: object) -> Path:
        result = self.command(*arguments)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return Path(result.stdout.removesuffix("\n"))

    def test_the_model_of_the_newest_and_of_a_chosen_checkpoint(self):
        import keras

        path = self.export()
        self.assertEqual(path, self.run / "model.keras")
        newest = keras.saving.load_model(path)
        self.assertAllClose(newest.get_layer("resnet8").trainable_weights[0], self.weights[0])
        path = self.export("--format", "savedmodel", "--checkpoint", 1)
        self.assertEqual(path, self.run / "saved_model")
        serve = tf.saved_model.load(str(path)).signatures["serving_default"]
        answer = serve(pixels=tf.zeros([2, 32, 32, 3], tf.uint8))
        self.assertAllEqual(answer["logits"], np.zeros((2, 10)))

    def test_the_history(self):
        path = self.export("--format", "npz")
        with np.load(path) as content:
            self.assertEqual(content["worker_ID"].tolist(), [1, 2])
        path = self.export("--format", "npy", "--output", self.folder / "x.npy")
        self.assertEqual(np.load(path, allow_pickle=True).item()["val_acc"], [0.0, 0.5])

    def test_mistakes(self):
        for arguments, expected in (
            (("--checkpoint", 3), "has no checkpoint of commit 3; it has 1, 2"),
            (("--format", "npz", "--checkpoint", 2), "--checkpoint is 2"),
            (("--output", self.folder / "model.h5"), "model.h5; give a name that ends with .keras"),
            (("--format", "onnx"), "invalid choice: 'onnx'"),
        ):
            check_one_line_mistake(self.command(*arguments), expected)
        self.run = self.folder / "nothing"
        check_one_line_mistake(self.command(), "nothing holds no run")
        check_one_line_mistake(self.command("--format", "npz"), "is not a run directory")

    @pytest.mark.slow
    def test_damaged_files_are_told_in_a_line(self):
        data, history = self.run / "data.json", self.run / "history.jsonl"
        facts = verified(json.loads(data.read_text()))
        others = {**facts, "classes": 7}
        wide = data, json.dumps(others).encode(), "weights do not fit the network"
        no_worker = b"".join(
            b'{"event": "commit", "commit": %d, "started": 1, "seconds": 1}\n' % number
            for number in (1, 2)
        )
        for (file, content, expected), form in (
            ((data, b"{}", "data.json cannot be read (classes is None"), "keras"),
            (wide, "keras"),
            ((history, no_worker, "history.jsonl cannot be read (worker of a line"), "npz"),
            ((history, b"\xff\n", "history.jsonl line 1 is not a record"), "npy"),
            ((history, b"", "history.jsonl is damaged (it lacks commit 1, 2)"), "npz"),
        ):
            with self.subTest(expected, form=form):
                before = file.read_bytes()
                file.write_bytes(content)
                output = self.folder / f"x.{form}"
                result = self.command("--format", form, "--output", output)
                file.write_bytes(before)
                check_one_line_mistake(result, expected)
                self.assertFalse(output.exists())


if __name__ == "__main__":
    tf.test.main()
