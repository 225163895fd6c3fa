"""The exported file, opened by stock Keras 3 in a process of its own."""

import subprocess
import sys
from pathlib import Path

import keras_core
import numpy as np
import tensorflow as tf

from dbsl_tf.models import build_model, model_weights
from dbsl_tf.models.export import save_keras3

MEAN, STANDARD_DEVIATION = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)

OPEN_AND_PREDICT = """
import sys
import keras
import numpy as np
directory = sys.argv[1]
model = keras.saving.load_model(f"{directory}/model.keras")
np.save(f"{directory}/logits.npy", model.predict(np.load(f"{directory}/pixels.npy"), verbose=0))
assert not {"dbsl_tf", "keras_core"} & set(sys.modules), "the file needs this package"
"""


class SaveKeras3Test(tf.test.TestCase):
    def trained_model(self):
        """A model whose every weight differs from its initial value."""
        model = build_model(keras_core, "resnet8", 5, 0.2, seed=11)
        generator = np.random.default_rng(1)
        for variable in model_weights(model):
            noise = generator.uniform(0.05, 0.15, variable.shape)
            variable.assign(
                variable.numpy() + noise * np.sign(generator.normal(size=variable.shape))
            )
        return model

    def save(self, path, model, **changes):
        arguments = {
            "name": "resnet8",
            "classes": 5,
            "dropout": 0.2,
            "weights": [variable.numpy() for variable in model_weights(model)],
            "mean": MEAN,
            "standard_deviation": STANDARD_DEVIATION,
        }
        save_keras3(path, **{**arguments, **changes})

    def test_a_fresh_process_without_this_package_gets_the_same_logits(self):
        directory = Path(self.get_temp_dir())
        model = self.trained_model()
        pixels = np.random.default_rng(2).integers(0, 256, (6, 20, 24, 3)).astype(np.uint8)
        np.save(directory / "pixels.npy", pixels)
        self.save(directory / "model.keras", model)

        subprocess.run(
            [sys.executable, "-c", OPEN_AND_PREDICT, str(directory)],
            cwd=directory,
            check=True,
            capture_output=True,
        )
        normalised = (pixels / 255 - np.array(MEAN)) / np.array(STANDARD_DEVIATION)
        expected = model(tf.constant(normalised, tf.float32), training=False).numpy()
        logits = np.load(directory / "logits.npy")
        self.assertLess(np.abs(logits - expected).max(), 1e-5 * np.abs(expected).max())
        self.assertGreater(expected.std(), 0.1)

    def test_the_stem_for_large_images(self):
        path = Path(self.get_temp_dir()) / "stem" / "model.keras"
        model = build_model(keras_core, "resnet8", 5, 0.0, stem="imagenet")
        weights = [variable.numpy() for variable in model_weights(model)]
        self.save(path, model, weights=weights, stem="imagenet")
        self.assertTrue(path.exists())

    def test_replaces_an_older_file_and_leaves_no_other(self):
        directory = Path(self.get_temp_dir()) / "new" / "directory"
        path = directory / "model.keras"
        model = self.trained_model()
        self.save(path, model)
        path.write_bytes(b"an older file")
        self.save(path, model)
        self.assertEqual([file.name for file in directory.iterdir()], ["model.keras"])
        self.assertStartsWith(path.read_bytes(), b"PK")

    def test_weights_that_do_not_fit_are_refused_before_writing(self):
        path = Path(self.get_temp_dir()) / "refused" / "model.keras"
        model = self.trained_model()
        weights = [variable.numpy() for variable in model_weights(model)]
        for wrong in (weights[:-1], [*weights[:-1], weights[-1][:3]]):
            with self.assertRaisesRegex(ValueError, "do not fit the network"):
                self.save(path, model, weights=wrong)
        self.assertFalse(path.parent.exists())

    def test_other_suffixes_are_refused(self):
        with self.assertRaisesRegex(ValueError, r"must end in \.keras"):
            self.save(Path(self.get_temp_dir()) / "model.h5", self.trained_model())
