"""Numpy arrays as training data."""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path

import cloudpickle
import numpy as np
import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.data.array_data import arrays
from dbsl_tf.data.training_data import Share
from tests.data.test_own_data import on_worker

TYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
)


class ArraysTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory())) / "data"
        self.random = np.random.default_rng(0)

    def halves(self, x, y, **more):
        """The first 12 samples to train, the others to test."""

        def part(value, places):
            if isinstance(value, dict):
                return {key: part(each, places) for key, each in value.items()}
            if isinstance(value, tuple):
                return tuple(part(each, places) for each in value)
            return value[places]

        first, rest = slice(12), slice(12, None)
        return arrays(part(x, first), part(y, first), part(x, rest), part(y, rest), **more)

    def check_content(self, data, x):
        """Every sample of batches has the values of the arrays, whose y is its number."""
        for dataset, expected in (
            (on_worker(data, 12, sizes=[5, 7]).take(2), range(12)),
            (data.test_batches(Share(0, 8, 3)), range(12, 20)),
        ):
            found = []
            for batch, numbers in dataset.as_numpy_iterator():
                tf.nest.assert_same_structure(batch, x)
                for actual, whole in zip(tf.nest.flatten(batch), tf.nest.flatten(x)):
                    self.assertEqual(actual.dtype, whole.dtype)
                    np.testing.assert_array_equal(actual, whole[numbers])
                found += numbers.tolist()
            self.assertCountEqual(found, expected)

    def test_every_type_and_shape(self):
        x = {
            f"{dtype}{shape}": (100 * self.random.normal(size=(20, *shape))).astype(dtype)
            for dtype in TYPES
            for shape in ((), (3,), (2, 1, 5))
        }
        self.check_content(self.halves(x, np.arange(20)).write(self.folder), x)
        for dtype in ("bool", "uint8", "float32"):
            alone = x[f"{dtype}(3,)"]
            self.check_content(self.halves(alone, np.arange(20)).write(self.folder), alone)

    def test_several_parts(self):
        x = {
            "image": self.random.integers(0, 255, (20, 4, 4, 3), np.uint8),
            "table": (self.random.normal(size=(20, 3)), np.arange(20) % 2 == 0),
        }
        data = self.halves(x, np.arange(20)).write(self.folder)
        self.check_content(data, x)
        self.assertEqual(
            data.facts()["x"],
            "{image: uint8 [None, 4, 4, 3], table: (float64 [None, 3], bool [None])}",
        )

    def test_arrays_that_lie_otherwise_in_memory(self):
        square = self.random.normal(size=(20, 6)).astype(np.float32)
        for x in (np.asfortranarray(square), square[::-1], square[:, ::2], square.astype(">f4")):
            data = self.halves(x, np.arange(20)).write(self.folder)
            self.check_content(data, np.ascontiguousarray(x, np.float32))

    def test_values_that_are_no_numbers_stay(self):
        x = np.full((20, 2), np.nan, np.float32)
        x[:, 1] = np.inf
        data = self.halves(x, np.arange(20)).write(self.folder)
        self.check_content(data, x)

    def test_files_of_the_same_content_are_left_as_they_are(self):
        x = self.random.normal(size=(20, 3))
        self.halves(x, np.arange(20)).write(self.folder)
        self.assertEqual(
            sorted(path.name for path in self.folder.iterdir()),
            ["arrays.json", "test.bin", "train.bin"],
        )
        before = {path: path.stat().st_mtime_ns for path in self.folder.iterdir()}
        self.halves(x, np.arange(20)).write(self.folder)
        self.assertEqual({p: p.stat().st_mtime_ns for p in self.folder.iterdir()}, before)

    def test_other_content_and_damaged_files_are_written_anew(self):
        x = self.random.normal(size=(20, 3))
        data = self.halves(x, np.arange(20)).write(self.folder)
        y = x.copy()
        y[19, 2] += 1.0
        self.check_content(self.halves(y, np.arange(20)).write(self.folder), y)
        with open(self.folder / "train.bin", "ab") as file:
            file.write(b"more")
        self.check_content(self.halves(y, np.arange(20)).write(self.folder), y)
        (self.folder / "arrays.json").write_text("[]")
        self.check_content(self.halves(x, np.arange(20)).write(self.folder), x)
        self.check_content(data, x)

    def test_the_pickle_holds_no_samples(self):
        x = self.random.normal(size=(20, 5000))
        made = self.halves(x, np.arange(20), preprocess=lambda x, y: (x, y))
        with self.assertRaisesRegex(TypeError, r"write\(folder\)"):
            pickle.dumps(made)
        self.assertLess(len(cloudpickle.dumps(made.write(self.folder))), 5000)

    def test_a_folder_that_cannot_be_written(self):
        self.folder.write_text("a file")
        with self.assertRaisesRegex(UserError, "cannot be"):
            self.halves(np.zeros(20), np.arange(20)).write(self.folder)


class RefusedTest(tf.test.TestCase):
    def check(self, pattern: str, x_train, y_train, x_test, y_test) -> None:
        with self.assertRaisesRegex(UserError, pattern) as caught:
            arrays(x_train, y_train, x_test, y_test)
        self.assertNotIn("\n", str(caught.exception))

    def test_values_that_are_no_arrays_of_numbers(self):
        y = np.arange(3)
        words = np.array(["a", "b", "c"])
        self.check("x_train has the type str.*TextVectorization", words, y, words, y)
        objects = np.array([{}, None, 3], object)
        self.check("x_train has the type object; convert it", objects, y, objects, y)
        self.check("x_train is not an array of numbers.*pad", [[1], [2, 3], [4]], y, y, y)
        self.check(r"y_train\['b'\] has the type str", y, {"b": words}, y, {"b": words})
        self.check("x_test is a single value", y, y, 3.0, y)
        dates = np.array(["2020-01-01"], "datetime64[D]")
        self.check("x_train has the type datetime64.*float32", dates, y[:1], dates, y[:1])

    def test_lengths(self):
        x, y = np.zeros((3, 2)), np.zeros(4)
        self.check("x_train has 3, y_train has 4 samples", x, y, x, y)
        self.check("x_test has 3, y_test has 2 samples", x, y[:3], x, y[:2])
        self.check("x_train has 3 and 4, y_train has 3", (x, y), x, (x, y), x)
        self.check("x_test has the shape .0, 2. and so no values", x, x, x[:0], y[:0])
        self.check("x_train is an empty structure", {}, y, {}, y)

    def test_training_and_test_differ(self):
        x, y = np.zeros((3, 2), np.float32), np.zeros(3)
        self.check(
            r"x_train has float32 \[samples, 2\], but x_test float64 \[samples, 2\]",
            *(x, y, x.astype(float), y),
        )
        self.check(r"y_train has .*, but y_test \{a: ", x, y, x, {"a": y})
