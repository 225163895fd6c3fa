"""Pipelines of tf.data as training data."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.data.stream_data import stream
from dbsl_tf.data.training_data import Share
from tests.data.own_kinds import TEST, TRAIN, numbers_to_test, parse_number, training_numbers
from tests.data.test_own_data import numbers, on_worker


def made(make_train=training_numbers, make_test=numbers_to_test, **arguments: object):
    values = {"train_samples": TRAIN, "test_samples": TEST, **arguments}
    return stream(make_train, make_test, **values).named("mine")


class StreamTest(tf.test.TestCase):
    def test_a_pipeline_without_end_is_cut_off(self):
        endless = made(lambda: training_numbers().repeat(), train_samples=70)
        drawn = sum(numbers(on_worker(endless, 1000, sizes=[70]).take(2)), [])
        expected = [*range(50), *range(20)]
        self.assertCountEqual(drawn[:70], expected)
        self.assertCountEqual(drawn[70:], expected)

    def test_too_few_samples_are_an_error_with_both_numbers(self):
        message = f"mine: make_train ends after.*{TRAIN}.*samples, but has to make {TRAIN + 1}"
        data = made(train_samples=TRAIN + 1)
        with self.assertRaisesRegex(tf.errors.InvalidArgumentError, message):
            list(on_worker(data, 1000).take(20))
        # Fewer are wanted than it has.
        self.assertLen(list(on_worker(data, TRAIN).take(20)), 20)
        data = made(test_samples=TEST + 5)
        self.assertLen(list(data.test_batches(Share(0, TEST, 10))), 2)
        for start in (0, TEST + 2):
            with self.assertRaisesRegex(tf.errors.InvalidArgumentError, "make_test ends after"):
                list(data.test_batches(Share(start, TEST + 5, 10)))

    def test_a_seed_for_the_order_of_its_own(self):
        """Other in every pass and for every worker, the same when it is made again."""

        def starting_anywhere(seed):
            return training_numbers().shuffle(TRAIN, seed=7).skip(tf.abs(seed) % 10).take(30)

        def seeds_of(seed):
            data = made(
                lambda given: tf.data.Dataset.from_tensors((given, given)).repeat(10),
                lambda: tf.data.Dataset.from_tensors((np.int64(0), np.int64(0))),
                train_samples=10,
                test_samples=1,
            )
            drawn = np.array(numbers(on_worker(data, 10, seed=seed, sizes=[10]).take(5)))
            self.assertAllEqual(drawn, np.broadcast_to(drawn[:, :1], drawn.shape))
            return drawn[:, 0].tolist()

        self.assertLen({*seeds_of(1), *seeds_of(2)}, 10)
        self.assertEqual(seeds_of(1), seeds_of(1))
        data = made(starting_anywhere, train_samples=30)
        whole = numbers(on_worker(data, 30, sizes=[5]).take(12))
        later = numbers(on_worker(data, 30, sizes=[5], first_sample=40).take(4))
        self.assertEqual(whole[8:], later)

    def test_shuffled_within_the_buffer(self):
        drawn = sum(numbers(on_worker(made(shuffle_buffer=5), TRAIN, sizes=[10]).take(5)), [])
        self.assertNotEqual(drawn, sorted(drawn))
        self.assertTrue(all(number < place + 5 for place, number in enumerate(drawn)))

    def test_control_flow_in_what_it_maps(self):
        def odd(x, y):
            if y % 2 == 0:
                return x, y
            return -x, y

        data = made(lambda: training_numbers().map(odd))
        for x, y in on_worker(data, TRAIN).take(5).as_numpy_iterator():
            self.assertAllClose(x[:, 0], np.where(y % 2 == 0, y, -y))

    def test_what_is_refused(self):
        def check(pattern, **arguments):
            with self.assertRaisesRegex(UserError, pattern) as caught:
                made(**arguments).element_spec()
            self.assertNotIn("\n", str(caught.exception))

        check("make_train returns a list; return a tf.data.Dataset", make_train=lambda: [1])
        check(
            "the elements of make_test are .*make them \\(x, y\\) or",
            make_test=lambda: tf.data.Dataset.range(5),
        )
        check(
            "the elements of make_train contain RaggedTensorSpec",
            make_train=lambda: training_numbers().map(
                lambda x, y: (tf.RaggedTensor.from_row_lengths(x, [1, 1]), y)
            ),
        )
        check(
            "its functions call Python",
            make_train=lambda: tf.data.Dataset.from_generator(
                lambda: iter([1]), output_signature=tf.TensorSpec([], tf.int64)
            ).map(parse_number),
        )
        check(
            "make_test is a NoneType; give a function that makes a tf.data.Dataset", make_test=None
        )
        check("shuffle_buffer is 0; give a whole number, 1 or more", shuffle_buffer=0)
        check("train_samples is None", train_samples=None)
