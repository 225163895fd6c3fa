"""The SavedModel, loaded by TensorFlow alone in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.exporting.saved_model import save_saved_model
from tests.support.trained_networks import disturbed_model, logits, pixels, trained

LOAD_AND_SERVE = """
import sys
import numpy as np
import tensorflow as tf
directory = sys.argv[1]
serve = tf.saved_model.load(f"{directory}/saved").signatures["serving_default"]
for size in ("small", "large"):
    images = tf.constant(np.load(f"{directory}/{size}.npy"))
    assert images.dtype == tf.uint8
    answer = serve(pixels=images)
    np.savez(f"{directory}/{size}.npz", **{name: value.numpy() for name, value in answer.items()})
assert not {"dbsl_tf", "keras_core"} & set(sys.modules), "the folder needs this package"
"""


class SaveSavedModelTest(tf.test.TestCase):
    @pytest.mark.slow
    def test_a_fresh_process_serves_raw_images_of_any_size(self):
        directory = Path(self.get_temp_dir())
        model = disturbed_model()
        images = {"small": pixels(5, 16, 24), "large": pixels(1, 40, 32)}
        for size, array in images.items():
            np.save(directory / f"{size}.npy", array)
        save_saved_model(directory / "saved", trained(model))
        subprocess.run(
            [sys.executable, "-c", LOAD_AND_SERVE, str(directory)],
            cwd=directory,
            check=True,
            capture_output=True,
        )
        for size, array in images.items():
            answer = np.load(directory / f"{size}.npz")
            expected = logits(model, array)
            self.assertEqual(set(answer.files), {"logits", "probabilities"})
            scale = np.abs(expected).max()
            self.assertLess(np.abs(answer["logits"] - expected).max(), 1e-5 * scale)
            probabilities = np.exp(expected - expected.max(-1, keepdims=True))
            probabilities /= probabilities.sum(-1, keepdims=True)
            self.assertAllClose(answer["probabilities"], probabilities, atol=1e-5)

    def test_what_is_there_is_not_overwritten(self):
        folder = Path(self.get_temp_dir()) / "mine"
        folder.mkdir()
        (folder / "precious").write_text("data")
        with self.assertRaisesRegex(UserError, "mine already exists"):
            save_saved_model(folder, trained(disturbed_model()))
        self.assertEqual([file.name for file in folder.iterdir()], ["precious"])


if __name__ == "__main__":
    tf.test.main()
