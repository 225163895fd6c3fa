"""The digits as record files."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from dbsl_tf.config.catalogue import DATASETS
from dbsl_tf.data.digits import write_digits


class TestWriteDigits:
    @pytest.fixture(autouse=True)
    def _set_up(self, tmp_path):
        self.spec = DATASETS["digits"]
        write_digits(self.spec, tmp_path)
        self.train, self.test = (
            np.fromfile(tmp_path / name, np.uint8).reshape(-1, 3073)
            for name in ("train.bin", "test.bin")
        )

    def test_every_digit_once(self):
        digits = load_digits()
        # By bilinear interpolation the mean of a 4×4 block is 3/4 of its own pixel and 1/8 of
        # either neighbour, a missing neighbour being replaced by the pixel itself.
        blur = 0.75 * np.eye(8) + 0.125 * (np.eye(8, k=1) + np.eye(8, k=-1))
        blur[0, 0] = blur[7, 7] = 0.875
        sharpen = np.linalg.inv(blur)
        records = np.concatenate([self.train, self.test])
        blocks = records[:, 1:1025].reshape(-1, 8, 4, 8, 4).mean(axis=(2, 4)) / 255 * 16
        images = (sharpen @ blocks @ sharpen.T).reshape(-1, 64)
        distances = np.stack([np.abs(digits.data - image).max(axis=1) for image in images])
        assert distances.min(axis=1).max() < 0.2
        nearest = distances.argmin(axis=1)
        assert len(set(nearest)) == 1797
        np.testing.assert_array_equal(records[:, 0], digits.target[nearest])

    def test_split_is_stratified(self):
        train, test = (np.bincount(part[:, 0], minlength=10) for part in (self.train, self.test))
        assert (train.sum(), test.sum()) == (1437, 360)
        np.testing.assert_allclose(test / (train + test), 360 / 1797, atol=0.01)

    def test_shuffled(self):
        assert np.count_nonzero(np.diff(self.train[:, 0].astype(int))) > 1200

    def test_grey_and_full_range(self):
        pixels = self.train[:, 1:].reshape(-1, 3, 1024)
        np.testing.assert_array_equal(pixels[:, 0], pixels[:, 1])
        np.testing.assert_array_equal(pixels[:, 0], pixels[:, 2])
        assert (pixels.min(), pixels.max()) == (0, 255)

    def test_statistics_of_the_catalogue(self):
        pixels = self.train[:, 1:] / 255
        assert pixels.mean() == pytest.approx(self.spec.mean[0], abs=5e-5)
        assert pixels.std() == pytest.approx(self.spec.standard_deviation[0], abs=5e-5)

    def test_same_files_every_time(self, tmp_path):
        (tmp_path / "again").mkdir()
        write_digits(self.spec, tmp_path / "again")
        again = np.fromfile(tmp_path / "again" / "train.bin", np.uint8)
        np.testing.assert_array_equal(again, self.train.ravel())
