"""Checks of record files."""

from __future__ import annotations

import os

import numpy as np
import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.config.catalogue import DATASETS
from dbsl_tf.data.record_files import checked_data
from tests.data.small_data import small_spec, write_record_files


class TestCheckedData:
    @pytest.fixture(autouse=True)
    def _set_up(self, tmp_path):
        self.folder = tmp_path
        self.spec = small_spec()
        self.content = write_record_files(self.spec, self.folder)

    def assert_refused(self, pattern: str, spec=None) -> None:
        with pytest.raises(UserError, match=pattern) as caught:
            checked_data(spec or self.spec, self.folder)
        assert "\n" not in str(caught.value)

    def test_good_files_in_official_order(self):
        data = checked_data(self.spec, self.folder)
        assert [path.name for path in data.train_files] == list(self.spec.train_files)
        assert [path.name for path in data.test_files] == list(self.spec.test_files)

    def test_truncated(self):
        os.truncate(self.folder / "data_batch_3.bin", 20 * 3073 - 1)
        self.assert_refused(
            "data_batch_3.bin: 61459 bytes, expected 61460.*truncated.*put the official file"
        )

    def test_missing(self):
        (self.folder / "test_batch.bin").unlink()
        self.assert_refused("test_batch.bin: No such file.*official file")

    def test_label_out_of_range(self):
        self.content["data_batch_2.bin"][7, 0] = 10
        self.content["data_batch_2.bin"].tofile(self.folder / "data_batch_2.bin")
        self.assert_refused("data_batch_2.bin: label 10 in record 7, expected 0 to 9")

    def test_absent_class(self):
        for name in self.spec.train_files:
            self.content[name][self.content[name][:, 0] == 4, 0] = 3
            self.content[name].tofile(self.folder / name)
        self.assert_refused("no record of class 4 in data_batch_1.bin")

    def test_class_absent_from_one_file_only(self):
        self.content["data_batch_1.bin"][:, 0] = 3
        self.content["data_batch_1.bin"].tofile(self.folder / "data_batch_1.bin")
        checked_data(self.spec, self.folder)

    def test_uses_the_last_label_byte(self):
        spec = small_spec("cifar100")
        content = write_record_files(spec, self.folder)
        content["train.bin"][:, 0] = 255
        content["train.bin"].tofile(self.folder / "train.bin")
        checked_data(spec, self.folder)
        content["train.bin"][0, 1] = 255
        content["train.bin"].tofile(self.folder / "train.bin")
        self.assert_refused("train.bin: label 255 in record 0", spec)

    def test_empty_file_of_full_size(self):
        """What a file system may leave of a file that was being written when it stopped."""
        spec = DATASETS["cifar100"]
        for name, records in (("train.bin", 50_000), ("test.bin", 10_000)):
            with open(self.folder / name, "wb") as file:
                file.truncate(records * 3074)
        self.assert_refused("no record of class 1 in train.bin", spec)

    def test_files_are_left_as_they_are(self):
        os.truncate(self.folder / "data_batch_3.bin", 5)
        self.assert_refused("data_batch_3.bin")
        assert (self.folder / "data_batch_3.bin").stat().st_size == 5
        np.testing.assert_array_equal(
            np.fromfile(self.folder / "data_batch_1.bin", np.uint8),
            self.content["data_batch_1.bin"].ravel(),
        )
