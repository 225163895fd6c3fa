"""The exported file, opened by stock Keras 3 in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.exporting.keras_file import save_keras3
from tests.support.trained_networks import disturbed_model, logits, pixels, trained

OPEN_AND_PREDICT = """
import sys
import keras
import numpy as np
directory = sys.argv[1]
for name in sys.argv[2:]:
    model = keras.saving.load_model(f"{directory}/{name}.keras")
    images = np.load(f"{directory}/pixels.npy")
    np.save(f"{directory}/{name}.npy", model.predict(images, verbose=0))
assert not {"dbsl_tf", "keras_core"} & set(sys.modules), "the file needs this package"
"""


class SaveKeras3Test(tf.test.TestCase):
    def test_a_fresh_process_without_this_package_gets_the_same_logits(self):
        """Thin and wide networks, with both stems."""
        directory = Path(self.get_temp_dir())
        images = pixels(3, 36, 40)
        np.save(directory / "pixels.npy", images)
        cases = {
            "resnet8": ("resnet8", "cifar"),
            "imagenet": ("resnet18", "imagenet"),
        }
        expected = {}
        for case, (name, stem) in cases.items():
            model = disturbed_model(name, stem)
            save_keras3(directory / f"{case}.keras", trained(model, stem))
            expected[case] = logits(model, images)
        subprocess.run(
            [sys.executable, "-c", OPEN_AND_PREDICT, str(directory), *cases],
            cwd=directory,
            check=True,
            capture_output=True,
        )
        for case in cases:
            with self.subTest(case):
                scale = np.abs(expected[case]).max()
                difference = np.abs(np.load(directory / f"{case}.npy") - expected[case]).max()
                self.assertLess(difference, 1e-5 * scale)
                self.assertGreater(expected[case].std() / scale, 0.1)

    def test_replaces_an_older_file_and_leaves_no_other(self):
        directory = Path(self.get_temp_dir()) / "new" / "directory"
        path = directory / "model.keras"
        network = trained(disturbed_model())
        save_keras3(path, network)
        path.write_bytes(b"an older file")
        save_keras3(path, network)
        self.assertEqual([file.name for file in directory.iterdir()], ["model.keras"])
        self.assertStartsWith(path.read_bytes(), b"PK")

    def test_weights_that_do_not_fit_are_refused_before_writing(self):
        path = Path(self.get_temp_dir()) / "refused" / "model.keras"
        model = disturbed_model()
        weights = trained(model).weights
        for wrong in (weights[:-1], [*weights[:-1], weights[-1][:3]]):
            with self.assertRaisesRegex(UserError, "do not fit the network"):
                save_keras3(path, trained(model, weights=wrong))
        self.assertFalse(path.parent.exists())

    def test_other_suffixes_are_refused(self):
        with self.assertRaisesRegex(ValueError, r"must end in \.keras"):
            save_keras3(Path(self.get_temp_dir()) / "model.h5", trained(disturbed_model()))


if __name__ == "__main__":
    tf.test.main()
