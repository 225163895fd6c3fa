"""Data whose samples have weights, of every kind."""

from __future__ import annotations

import tempfile
from pathlib import Path

import cloudpickle
import numpy as np
import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.data.array_data import arrays
from dbsl_tf.data.own_data import Data, OwnData
from dbsl_tf.data.sample_weights import WeightedLabels
from dbsl_tf.data.stream_data import stream
from dbsl_tf.data.tfrecord_data import tfrecords
from dbsl_tf.data.training_data import Share, StreamSettings
from tests.data.own_kinds import TEST, TRAIN, add_noise, load, parse_number, preprocess
from tests.data.own_kinds import write_records as records


def weighing(function):
    """A function whose samples of number n have the weight n + 1."""

    def weighed(*arguments):
        x, number = function(*arguments)
        return x, number, number + 1

    return weighed


def parse(record):
    return parse_number(tf.strings.to_number(record, tf.int64))


def pipeline(first: int, last: int):
    return lambda: tf.data.Dataset.range(first, last).map(weighing(parse_number))


def every_kind(folder: Path, **functions: object) -> list[OwnData]:
    number = np.arange(TRAIN + TEST)
    x = np.stack([number, 100 - number], axis=1).astype(np.float32)
    train = records(folder / "train.tfrecord", range(TRAIN))
    test = records(folder / "test.tfrecord", range(TRAIN, TRAIN + TEST))
    return [
        Data(weighing(load), TRAIN, TEST, **functions),
        arrays(
            *(x[:TRAIN], number[:TRAIN], x[TRAIN:], number[TRAIN:]),
            sample_weight=number[:TRAIN] + 1,
            **functions,
        ).write(folder / "arrays"),
        tfrecords(train, test, weighing(parse), **functions),
        stream(
            *(pipeline(0, TRAIN), pipeline(TRAIN, TRAIN + TEST)),
            train_samples=TRAIN,
            test_samples=TEST,
            **functions,
        ),
    ]


class EveryKindTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def check(self, data: OwnData, factor: int = 1) -> None:
        """Training, test and validation samples have the weights that go with them."""
        held_out = data.holding_out(10, seed=1)
        for batches in (
            data.training_batches(TRAIN, StreamSettings([8, 5], 0, 1)).take(6),
            data.test_batches(Share(0, TEST, 6)),
            held_out.validation_batches(Share(0, 10, 4)),
        ):
            for x, y in batches.as_numpy_iterator():
                self.assertIsInstance(y, WeightedLabels)
                # Arrays have none of their own for the test samples.
                weightless = data.name == "arrays" and factor == 1 and y.labels[0] >= TRAIN
                expected = np.ones_like(y.labels) if weightless else factor * (y.labels + 1)
                self.assertAllEqual(y.weights, expected)
                self.assertAllInRange(x[:, 0] - y.labels, 1.0, 1.4)

    def test_weights_stay_with_their_samples(self):
        for data in every_kind(self.folder, preprocess=preprocess, augment=add_noise):
            with self.subTest(data.name):
                self.check(data)
                self.assertRegex(data.facts()["y"], r"^int64 \[None\] with weights \w+ \[None\]$")
                self.check(cloudpickle.loads(cloudpickle.dumps(data)))

    def test_preprocessing_may_change_them(self):
        def double(x, y):
            return x + 1.0, y, 2 * (y + 1)

        for data in every_kind(self.folder, preprocess=double):
            with self.subTest(data.name):
                self.check(data, factor=2)
        self.check(Data(load, TRAIN, TEST, preprocess=double), factor=2)

    def test_vectors_of_classes_are_still_known_as_such(self):
        for data in every_kind(self.folder, preprocess=lambda x, y: (x, tf.one_hot(y % 3, 3))):
            self.assertEqual((data.classes, data.facts()["classes"]), (3, 3))


class ArraysTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.x, self.y = np.zeros([6, 2]), np.arange(6)

    def make(self, **weights: object) -> OwnData:
        made = arrays(self.x[:4], self.y[:4], self.x[4:], self.y[4:], **weights)
        return made.write(self.folder)

    def test_samples_of_the_test_set_count_alike(self):
        for weights in ([0.5, 1, 2, 3], np.ones([4, 3])):
            data = self.make(sample_weight=weights)
            ((_, y),) = data.test_batches(Share(0, 2, 2)).as_numpy_iterator()
            self.assertAllEqual(y.weights, np.ones_like(weights)[:2])

    def test_other_weights_are_other_arrays(self):
        facts = [self.make(sample_weight=w).facts()["arrays"] for w in ([1, 1, 1, 1], [1, 1, 1, 2])]
        self.assertNotEqual(facts[0]["train"], facts[1]["train"])
        self.assertEqual(facts[0]["test"], facts[1]["test"])

    def test_what_is_refused(self):
        for weights, message in (
            ([1, 2], "sample_weight has 2 values for 4 training samples; give one for each"),
            ({"out": [1]}, "sample_weight is a dict; give one array of numbers"),
            (1.0, "sample_weight is a single value"),
            (["a", "b", "c", "d"], "sample_weight has the type str"),
        ):
            with self.subTest(message), self.assertRaisesRegex(UserError, message):
                self.make(sample_weight=weights)


class RefusalTest(tf.test.TestCase):
    def check(self, pattern: str, data: OwnData) -> None:
        with self.assertRaisesRegex(UserError, pattern) as caught:
            data.element_spec()
        self.assertNotIn("\n", str(caught.exception))

    def test_weights_that_are_no_numbers(self):
        for weights, kind in (
            (lambda i: {"a": i}, "a dict"),
            (tf.strings.as_string, "text"),
        ):
            data = Data(lambda i, weights=weights: (i, i, weights(i)), TRAIN, TEST)
            self.check(f"data: load gives {kind} as weights of samples; give one tensor", data)

    def test_weights_of_the_training_samples_alone(self):
        def unweighed():
            return tf.data.Dataset.range(TEST).map(parse_number)

        data = stream(pipeline(0, TRAIN), unweighed, train_samples=TRAIN, test_samples=TEST)
        self.check(
            r"training batches are .* with weights int64 \[None\]\), but test batches "
            r"\(float32 \[None, 2\], int64 \[None\]\); make both of one structure",
            data,
        )
