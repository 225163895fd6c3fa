"""What all kinds of own data have in common, and the kind with a function that loads."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.data import array_data, own_data, stream_data, tfrecord_data
from dbsl_tf.data.own_data import Data, OwnData
from dbsl_tf.data.sample_stream import mini_epoch_batches
from dbsl_tf.data.training_data import Share, StreamSettings
from tests.data.own_kinds import KINDS, TEST, TRAIN, add_noise, load, preprocess
from tests.support.patience import at_most

_FRESH = """
import sys
import cloudpickle
from dbsl_tf.data.training_data import Share, StreamSettings

with open(sys.argv[1], "rb") as file:
    kinds = cloudpickle.load(file)
for data in kinds:
    batches = data.training_batches(1000, StreamSettings([8, 5], 3, 2)).take(6)
    print([[y.tolist(), float(x.sum())] for x, y in batches.as_numpy_iterator()])
"""


def on_worker(data: OwnData, samples: int, first_sample: int = 0, **stream: object):
    """Training batches as a worker makes them: traced, without AutoGraph, with tensors for all."""

    @tf.function(autograph=False)
    def make(sizes, seed, first_sample):
        settings = StreamSettings(sizes, seed, stream.get("parallel_calls", 1), first_sample)
        return data.training_batches(samples, settings)

    integers = (stream.get("seed", 0), first_sample)
    sizes = tf.cast(stream.get("sizes", [8, 8, 4]), tf.int64)
    return make(sizes, *(tf.constant(value, tf.int64) for value in integers))


def numbers(dataset: tf.data.Dataset) -> list[list[int]]:
    return [y.tolist() for _, y in dataset.as_numpy_iterator()]


class EveryKindTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def each(self, **functions: object):
        return [make(self.folder, **functions) for make in KINDS.values()]

    def test_exact_mini_epochs_and_whole_passes(self):
        for data in self.each():
            for samples in (TRAIN, 33):
                sizes = mini_epoch_batches(8, 21)
                drawn = numbers(on_worker(data, samples, sizes=sizes).take(15))
                self.assertEqual([len(batch) for batch in drawn], 5 * [8, 8, 5])
                flat = sum(drawn, [])
                for start in range(0, len(flat) - samples + 1, samples):
                    self.assertCountEqual(flat[start : start + samples], range(samples))
                self.assertNotEqual(flat[:samples], sorted(flat[:samples]))

    def test_a_share_is_part_of_the_endless_stream(self):
        for whole in self.each():
            for data, samples in ((whole, 33), (whole.holding_out(10, seed=1), TRAIN - 10)):
                endless = sum(numbers(on_worker(data, samples, sizes=[10]).take(10)), [])
                share = self.share_of(data, samples)
                for first, count in ((0, 20), (25, 24), (41, 3)):
                    drawn = numbers(share(*(tf.constant(n, tf.int64) for n in (first, count))))
                    self.assertEqual(sum(drawn, []), endless[first : first + count])
                    self.assertEqual([len(batch) for batch in drawn][:-1], [8] * ((count - 1) // 8))

    def share_of(self, data: OwnData, samples: int):
        """From a position and a count to these samples, of what is read once."""

        @tf.function(autograph=False)
        def share(first, count):
            sizes = mini_epoch_batches(8, count)
            held = data.held(samples)
            stream = StreamSettings(sizes, 0, 1, first, endless=False, held=held)
            return data.training_batches(samples, stream)

        return share

    def test_more_samples_than_there_are_mean_all(self):
        for data in self.each():
            drawn = sum(numbers(on_worker(data, 1000, sizes=[10]).take(5)), [])
            self.assertCountEqual(drawn, range(TRAIN))

    def test_x_belongs_to_y(self):
        for data in self.each(preprocess=preprocess):
            for dataset in (on_worker(data, TRAIN).take(4), data.test_batches(Share(0, TEST, 6))):
                for x, y in dataset.as_numpy_iterator():
                    self.assertEqual((x.dtype, y.dtype), (np.float32, np.int64))
                    self.assertAllClose(x, np.stack([y + 1, 101 - y], axis=1))

    def test_seed_decides_and_no_global_seed(self):
        for data in self.each(augment=add_noise):
            drawn = []
            for seed, global_seed in ((1, 5), (1, 6), (2, 5)):
                tf.random.set_seed(global_seed)
                drawn.append(
                    [x.numpy().tolist() for x, _ in on_worker(data, TRAIN, seed=seed).take(9)]
                )
            self.assertEqual(drawn[0], drawn[1])
            self.assertNotEqual(drawn[0], drawn[2])

    def test_passes_differ(self):
        for data in self.each():
            flat = sum(numbers(on_worker(data, TRAIN, sizes=[10]).take(10)), [])
            self.assertNotEqual(flat[:TRAIN], flat[TRAIN:])

    @pytest.mark.slow
    def test_every_draw_is_another(self):
        for data in self.each(augment=add_noise):
            noise = [
                (x[:, 0] - y).round(5).tolist()
                for x, y in on_worker(data, TRAIN, sizes=[5]).take(20).as_numpy_iterator()
            ]
            self.assertLen({value for batch in noise for value in batch}, 100)

    def test_goes_on_from_a_later_sample(self):
        for data in self.each(preprocess=preprocess, augment=add_noise):
            whole = list(on_worker(data, TRAIN).take(15).as_numpy_iterator())
            for mini_epochs in (1, 3):
                later = on_worker(
                    data, TRAIN, first_sample=20 * mini_epochs, parallel_calls=3
                ).take(6)
                for expected, actual in zip(whole[3 * mini_epochs :], later, strict=False):
                    self.assertAllEqual(actual[0], expected[0])
                    self.assertAllEqual(actual[1], expected[1])

    def test_shares_of_the_test_set_cover_it_once_in_order(self):
        for data in self.each(augment=add_noise):
            drawn = []
            for start, stop in ((0, 7), (7, 8), (8, TEST)):
                drawn += numbers(data.test_batches(Share(start, stop, 3, parallel_calls=2)))
            self.assertEqual([len(batch) for batch in drawn], [3, 3, 1, 1, 3, 3, 3, 3])
            self.assertEqual(sum(drawn, []), list(range(TRAIN, TRAIN + TEST)))

    def test_facts_say_whether_there_is_something_to_apply(self):
        for data in self.each(preprocess=preprocess):
            self.assertEqual(data.facts()["transform"], {"steps": "preprocess"})

    def test_specs_and_facts(self):
        for data in self.each():
            x, y = data.element_spec()
            self.assertEqual(x, tf.TensorSpec([None, 2], tf.float32))
            self.assertEqual(y, tf.TensorSpec([None], tf.int64))
            facts = data.named("own").facts()
            # Which arrays they are, where they are arrays.
            facts.pop("arrays", None)
            self.assertEqual(
                facts,
                {
                    "name": "own",
                    "train_samples": TRAIN,
                    "test_samples": TEST,
                    "x": "float32 [None, 2]",
                    "y": "int64 [None]",
                    "transform": {"steps": "none"},
                },
            )
            self.assertIsNone(data.classes)

    def test_a_vector_for_each_sample_is_one_of_classes(self):
        for data in self.each(preprocess=lambda x, y: (x, tf.one_hot(y % 3, 3))):
            self.assertEqual((data.classes, data.facts()["classes"]), (3, 3))
            self.assertEqual(data.class_names, ["0", "1", "2"])

    @pytest.mark.slow
    def test_x_of_several_parts(self):
        def parts(x, y):
            return {"number": x[:, 0], "both": x}, (y, y + 1)

        for data in self.each(preprocess=parts, augment=lambda x, y, seed: (x, y)):
            (x, y) = next(on_worker(data, TRAIN).as_numpy_iterator())
            self.assertAllClose(x["number"], y[0])
            self.assertAllEqual(y[1], y[0] + 1)
            self.assertEqual(data.facts()["x"], "{number: float32 [None], both: float32 [None, 2]}")

    @pytest.mark.slow
    def test_control_flow_that_depends_on_values(self):
        def halve_odd(x, y):
            total = tf.constant(0.0)
            for row in x:
                if row[0] > 10.0:
                    total += row[0]
            return x * 0.0 + total, y

        for data in self.each(preprocess=halve_odd):
            x, y = next(on_worker(data, TRAIN).as_numpy_iterator())
            self.assertAllClose(x[0, 0], y[y > 10].sum())

    @pytest.mark.slow
    def test_goes_to_another_process(self):
        """As the public Trainer sends it: pickled, functions of the caller's own among it."""
        offset = 0.25

        def shift(x, y):
            return x + offset, y

        kinds = self.each(preprocess=shift, augment=add_noise)
        path = self.folder / "data.pickle"
        path.write_bytes(cloudpickle.dumps(kinds))
        printed = subprocess.run(
            [sys.executable, "-c", _FRESH, str(path)],
            capture_output=True,
            text=True,
            check=True,
            timeout=at_most(60),
        ).stdout.splitlines()
        for data, line in zip(kinds, printed, strict=True):
            there = json.loads(line)
            here = on_worker(data, TRAIN, seed=3, sizes=[8, 5]).take(6).as_numpy_iterator()
            for (x, y), (numbers_there, sum_there) in zip(here, there, strict=True):
                self.assertEqual(y.tolist(), numbers_there)
                self.assertAllClose(x.sum(), sum_there)

    def test_no_samples_in_the_graph(self):
        for data in self.each(preprocess=preprocess, augment=add_noise):

            @tf.function(autograph=False)
            def make(data=data):
                batches = data.training_batches(TRAIN, StreamSettings([5], 0, 2))
                return tf.data.experimental.to_variant(batches)

            concrete = make.get_concrete_function()
            self.assertEmpty(concrete.captured_inputs)
            self.assertLess(concrete.graph.as_graph_def().ByteSize(), 50_000)


class ExamplesTest(tf.test.TestCase):
    def test_those_of_the_docstrings(self):
        for module in (array_data, own_data, stream_data, tfrecord_data):
            with self.subTest(module.__name__):
                results = doctest.testmod(module)
                self.assertGreater(results.attempted, 0)
                self.assertEqual(results.failed, 0)


class RefusalTest(tf.test.TestCase):
    def check(self, pattern: str, load=load, **functions: object) -> None:
        with self.assertRaisesRegex(UserError, pattern) as caught:
            Data(load, TRAIN, TEST, **functions).named("mine").element_spec()
        self.assertNotIn("\n", str(caught.exception))

    def test_what_is_no_pair(self):
        pair = r"return \(x, y\) or \(x, y, weights\)"
        self.check(f"mine: load returns a .*Tensor; {pair}", lambda indices: indices)
        self.check(f"mine: load returns 4 values; {pair}", lambda i: (i, i, i, i))
        self.check(f"mine: preprocess returns None; {pair}", preprocess=lambda x, y: None)
        self.check(f"mine: augment returns a .*; {pair}", augment=lambda x, y, seed: x)
        self.check(f"mine: load returns no tensor in y; {pair}", lambda i: (i, ()))

    def test_what_is_no_batch(self):
        self.check(
            r"mine: load returns a tensor of shape \[\] in y", lambda i: (i, tf.reduce_sum(i))
        )

    @pytest.mark.slow
    def test_what_a_worker_cannot_do(self):
        def by_python(indices):
            return tf.ensure_shape(
                tf.py_function(lambda i: i, [indices], tf.int64), [None]
            ), indices

        self.check("mine: its functions call Python", by_python)
        made_here = tf.constant([1.0, 2.0])
        self.check(
            "mine: its functions use a variable, or a tensor that was made outside",
            preprocess=lambda x, y: (x + made_here, y),
        )
        variable = tf.Variable(3.0)
        self.check("made outside", preprocess=lambda x, y: (x + variable, y))
        huge = np.zeros((9 << 20,), np.float32)
        self.check(
            "mine: its functions hold 3. MiB of constants.*dbsl_tf.arrays",
            lambda i: (tf.gather(tf.constant(huge), i), i),
        )

    def test_a_fault_in_a_function_is_one_line_with_its_place(self):
        def faulty(x, y):
            return tf.reshape(x, [-1, 3]) + tf.zeros([4]), y

        self.check(
            r"mine: its functions cannot be traced .*test_own_data.py line \d+",
            load,
            preprocess=faulty,
        )

    def test_training_and_test_of_different_kinds(self):
        data = Data(load, TRAIN, TEST, augment=lambda x, y, seed: (x[:, :1], y))
        with self.assertRaisesRegex(
            UserError,
            r"training batches are \(float32 \[None, 1\].*test batches \(float32 \[None, 2",
        ):
            data.element_spec()

    def test_arguments(self):
        for arguments, pattern in (
            ({"train_samples": 0}, "data: train_samples is 0; give a whole number, 1 or more"),
            ({"test_samples": 2.5}, "data: test_samples is 2.5"),
            ({"load": 3}, "data: load is 3; give a function"),
            ({"augment": "flip"}, "data: augment is 'flip'; give a function or None"),
        ):
            given = {"load": load, "train_samples": 4, "test_samples": 4, **arguments}
            with self.assertRaisesRegex(UserError, pattern):
                Data(**given)
