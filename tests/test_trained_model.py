"""What model.keras makes of the test data is what the run has reported, for every kind of data.

A fresh process that knows nothing of this package loads it, as docs/trained_model.md says.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from dbsl_tf.config.catalogue import dataset_spec
from tests.support.patience import at_most
from tests.support.tiny_runs import ROOT, TinyRunCase

CLASSES = ("ant", "bee", "cat")
RECORDS = """
content = np.fromfile(sys.argv[2], np.uint8).reshape(-1, 3073)
labels = content[:, 0]
images = content[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
outputs = logits(images)
"""
FILES = """
paths = sorted(Path(sys.argv[2]).glob("*/*"))
labels = np.array([facts["class_names"].index(path.parent.name) for path in paths])
outputs = logits([read(path) for path in paths])
"""
ARRAYS = """
assert transform["steps"] == "preprocess", transform
content = np.load(sys.argv[2])
labels = content["y"].argmax(axis=1)
outputs = model.predict(content["x"].astype(np.float32) / 127.5 - 1.0, verbose=0)
"""
RESULT = """
losses = keras.losses.sparse_categorical_crossentropy(labels, outputs, from_logits=True)
hits = int((outputs.argmax(axis=1) == labels).sum())
print(json.dumps({"samples": len(labels), "hits": hits, "loss": float(np.mean(losses))}))
"""


def documented() -> str:
    """The program in the documentation, for the run that its first argument names."""
    text = (ROOT / "docs" / "trained_model.md").read_text(encoding="utf-8")
    program, _ = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    named = program.replace('Path("runs/flowers")', "Path(sys.argv[1])")
    assert named != program
    return f"import sys\n{named}"


@pytest.mark.cluster
class TrainedModelTest(TinyRunCase):
    def train(self, *overrides: str) -> None:
        status, _, errors = self.finish(self.start("schedule.epochs=1", *overrides))
        self.assertEqual(status, 0, errors)

    def check(self, program: str, argument: object) -> None:
        """The program finds what the run has reported."""
        result = subprocess.run(
            [sys.executable, "-c", documented() + program + RESULT, self.run, argument],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            timeout=at_most(120),
        )
        self.assertEqual(result.returncode, 0, result.stderr)
        found = json.loads(result.stdout)
        (reported,) = self.events("evaluation")
        self.assertEqual(found["samples"], reported["samples"])
        # Two logits may be so close that another order of additions swaps them.
        hits = reported["test_accuracy"] * found["samples"]
        self.assertAllClose(found["hits"], hits, rtol=0, atol=0.001 * found["samples"])
        self.assertAllClose(found["loss"], reported["test_loss"], rtol=1e-3)

    def write_images(self, *sizes: tuple[int, int]) -> None:
        """Noise with a border by which the classes are known, in (width, height)."""
        draw = np.random.default_rng(0)
        for split, count in (("train", 20), ("val", 10)):
            for label, name in enumerate(CLASSES):
                (self.folder / "images" / split / name).mkdir(parents=True)
                for number in range(count):
                    width, height = sizes[number % len(sizes)]
                    image = draw.integers(0, 256, (height, width, 3), dtype=np.uint8)
                    image[:2], image[-2:], image[:, :2], image[:, -2:] = [120 * label] * 4
                    path = self.folder / "images" / split / name / f"{number}.png"
                    Image.fromarray(image).save(path)

    def images(self, *overrides: str) -> tuple[str, ...]:
        name, folder = "data.name=image_folder", self.folder / "images"
        return name, f"data.dir={folder}", "data.train_samples=null", *overrides

    @pytest.mark.slow
    def test_digits(self):
        self.train(f"data.dir={self.folder / 'data'}")
        self.check(RECORDS, self.folder / "data" / "digits-bin" / "test.bin")

    @pytest.mark.slow
    def test_averaged_weights_with_estimated_statistics(self):
        average = ("evaluation.average=last", "evaluation.average_epochs=1")
        self.train(f"data.dir={self.folder / 'data'}", *average, "evaluation.batch_norm_batches=5")
        (reported,) = self.events("evaluation")
        self.assertEqual(
            reported["weights"],
            "mean over the last 1 epoch, batch-norm statistics from 5 training batches",
        )
        self.check(RECORDS, self.folder / "data" / "digits-bin" / "test.bin")

    @pytest.mark.slow
    def test_cifar_that_is_resized(self):
        spec = dataset_spec("cifar10")
        folder = self.folder / "data" / spec.folder
        folder.mkdir(parents=True)
        for seed, name in enumerate(spec.train_files + spec.test_files):
            draw = np.random.default_rng(seed)
            records = draw.integers(0, 256, (10_000, spec.record_bytes), dtype=np.uint8)
            records[:, 0] = np.arange(10_000) % 10
            records.tofile(folder / name)
        self.train("data.name=cifar10", f"data.dir={folder.parent}", "data.image_size=12")
        self.check(RECORDS, folder / "test_batch.bin")

    @pytest.mark.slow
    def test_whole_images(self):
        self.write_images((28, 28))
        self.train(*self.images("data.image_size=28", "model.stem=cifar"))
        self.assertEqual(self.transform()["test_crop"], 1.0)
        self.check(FILES, self.folder / "images" / "val")

    @pytest.mark.slow
    def test_images_of_many_sizes_cut_as_for_imagenet(self):
        self.write_images((28, 28), (45, 33), (31, 50))
        overrides = ("data.augment=[random_resized_crop, random_flip]", "data.image_size=24")
        self.train(*self.images(*overrides, "model.stem=cifar"))
        self.assertEqual(self.transform()["test_crop"], 0.875)
        self.check(FILES, self.folder / "images" / "val")

    @pytest.mark.slow
    def test_images_that_grow_during_the_training_cut_by_a_key(self):
        self.write_images((40, 30))
        progressive = ("progressive.mode=single", "progressive.resolutions=[12,24]")
        times = ("progressive.a=[0.001,0.001]", "progressive.b=[0.01,0.01]")
        overrides = (*progressive, *times, "schedule.epochs=2", "schedule.milestones=[]")
        self.train(*self.images("data.test_crop=0.7", "model.stem=cifar", *overrides))
        self.assertEqual(self.transform()["image_size"], 24)
        self.check(FILES, self.folder / "images" / "val")

    @pytest.mark.slow
    def test_arrays(self):
        self.train("data.name=tests.support.flowers:flowers", "data.train_samples=null")
        # As tests.support.flowers makes them.
        labels = np.arange(100, 120) % 4
        images = np.zeros((20, 32, 32, 3), np.uint8)
        images[..., 0] = 60 * labels[:, None, None]
        np.savez(self.folder / "test.npz", x=images, y=np.eye(4, dtype=np.float32)[labels])
        self.check(ARRAYS, self.folder / "test.npz")

    def transform(self) -> dict:
        return json.loads((self.run / "data.json").read_text())["transform"]
