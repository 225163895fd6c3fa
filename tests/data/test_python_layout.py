"""The pickled layout, honest and not."""

from __future__ import annotations

import os
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbsl_tf.common.errors import UserError
from dbsl_tf.data.python_layout import convert_python_layout, largest_pickle, load_batch
from tests.data.small_data import python2_pickle, small_spec, write_python_layout

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 3072), dtype=np.uint8)
LABELS = [number % 10 for number in range(20)]
RECORDS = np.concatenate([np.array(LABELS, np.uint8)[:, None], PIXELS], axis=1)


class _Command:
    def __reduce__(self):
        return os.system, ("touch executed",)


class TestLoadBatch:
    @pytest.fixture(autouse=True)
    def _set_up(self, tmp_path):
        self.folder = tmp_path
        self.path = self.folder / "data_batch_1"

    def load(self, content: bytes) -> np.ndarray:
        self.path.write_bytes(content)
        return load_batch(self.path, 20, ("labels",))

    def assert_refused(self, pattern: str, content: bytes) -> None:
        with pytest.raises(UserError, match=pattern) as caught:
            self.load(content)
        assert str(self.path) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_written_by_python_2(self):
        np.testing.assert_array_equal(self.load(python2_pickle(PIXELS, LABELS)), RECORDS)

    def test_written_by_python_3(self):
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            for batch in (
                {"data": PIXELS, "labels": LABELS},
                {b"data": np.asfortranarray(PIXELS), b"labels": LABELS, b"batch_label": b"x"},
            ):
                content = pickle.dumps(batch, protocol=protocol)
                np.testing.assert_array_equal(self.load(content), RECORDS, f"{protocol=}")

    def test_command_is_refused_by_name_and_not_executed(self, monkeypatch):
        monkeypatch.chdir(self.folder)
        for content in (
            pickle.dumps({"data": PIXELS, "labels": LABELS, "extra": _Command()}),
            b"cposix\nsystem\n(S'touch executed'\ntR.",
            b"(S'touch executed'\niposix\nsystem\n.",
        ):
            self.assert_refused(r"refers to posix\.system.*not executed", content)
        assert os.listdir(self.folder) == ["data_batch_1"]

    def test_anything_but_plain_data_is_refused_by_name(self):
        for module, name in (
            ("builtins", "eval"),
            ("builtins", "getattr"),
            ("numpy", "load"),
            ("numpy.core.multiarray", "scalar"),
            ("functools", "partial"),
        ):
            self.assert_refused(f"refers to {module}.{name}", f"c{module}\n{name}\n.".encode())

    def test_object_array(self):
        objects = np.array([None] * 20, object)
        self.assert_refused("not of type uint8", pickle.dumps({"data": objects, "labels": LABELS}))

    def test_wrong_content(self):
        for batch, pattern in (
            ([1, 2], "not hold a dictionary"),
            ({"labels": LABELS}, "key 'data' is missing"),
            ({"data": PIXELS}, "key 'labels' is missing"),
            ({"data": PIXELS[:19], "labels": LABELS}, r"shape \(19, 3072\)"),
            ({"data": PIXELS.astype(np.int16), "labels": LABELS}, "not of type uint8"),
            ({"data": PIXELS.tobytes(), "labels": LABELS}, "'data' is not an array"),
            ({"data": PIXELS, "labels": LABELS[:-1]}, "'labels' is not a list of 20 labels"),
            ({"data": PIXELS, "labels": [300] * 20}, "not a batch of CIFAR"),
            ({"data": PIXELS, "labels": ["cat"] * 20}, "not a batch of CIFAR"),
        ):
            self.assert_refused(pattern, pickle.dumps(batch))

    def test_far_too_large_file(self):
        self.path.touch()
        os.truncate(self.path, largest_pickle(20) + 1)
        with pytest.raises(UserError, match="far more than 20 samples need"):
            load_batch(self.path, 20, ("labels",))

    def test_missing_file(self):
        with pytest.raises(UserError, match="data_batch_1: No such file"):
            load_batch(self.path, 20, ("labels",))

    @settings(max_examples=50, deadline=None)
    @given(st.integers(0, len(pickle.dumps({"data": PIXELS, "labels": LABELS})) - 1))
    def test_truncated_anywhere(self, length: int):
        self.assert_refused(
            "data_batch_1", pickle.dumps({"data": PIXELS, "labels": LABELS})[:length]
        )


class TestConvert:
    def test_every_file_of_both_data_sets(self):
        for name in ("cifar10", "cifar100"):
            with tempfile.TemporaryDirectory() as folder:
                source, target = Path(folder) / "pickles", Path(folder) / "records"
                target.mkdir()
                spec = small_spec(name)
                expected = write_python_layout(spec, source)
                convert_python_layout(spec, source, target)
                assert sorted(os.listdir(target)) == sorted(expected)
                for file_name, records in expected.items():
                    written = np.fromfile(target / file_name, np.uint8)
                    np.testing.assert_array_equal(written, records.ravel())
