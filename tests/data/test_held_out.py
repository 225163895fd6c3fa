"""Training samples that are held out for validation."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.data.held_out import HeldOut, elements_at
from dbsl_tf.data.image_classification import ImageClassificationData
from dbsl_tf.data.own_data import Data
from dbsl_tf.data.stream_data import StreamData
from dbsl_tf.data.training_data import Share, StreamSettings
from tests.data.own_kinds import KINDS, TRAIN, add_noise, load, parse_number
from tests.data.test_image_source import ImageSourceTest
from tests.data.test_own_data import numbers, on_worker
from tests.data.test_pipeline import PipelineTest
from tests.data.test_stream_data import made

HELD_OUT, SEED = 14, 3


class ChoiceTest(tf.test.TestCase):
    def test_disjoint_complete_and_seeded(self):
        chosen = {}
        for seed in range(4):
            held_out = HeldOut(HELD_OUT, TRAIN, seed)
            mine, others = held_out.numbers().numpy(), held_out.other_numbers().numpy()
            self.assertLen(mine, HELD_OUT)
            self.assertCountEqual([*mine, *others], range(TRAIN))
            self.assertAllEqual(mine, sorted(mine))
            self.assertAllEqual(others, sorted(others))
            self.assertAllEqual(mine, HeldOut(HELD_OUT, TRAIN, seed).numbers())
            self.assertNotEqual(mine.tolist(), list(range(HELD_OUT)))
            chosen[tuple(mine)] = seed
        self.assertLen(chosen, 4)

    def test_elements_of_several_chunks(self):
        dataset = tf.data.Dataset.range(5000).map(lambda number: 10 * number)
        for wanted in ([], [0], [4999], [3, 1026, 1027, 1028, 2050, 4999], range(1000, 4000)):
            found = elements_at(tf.constant(list(wanted), tf.int64), dataset)
            self.assertEqual([int(e) for e in found], [10 * number for number in wanted])


class OwnKindsTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    @pytest.mark.slow
    def test_every_kind_trains_on_the_others_and_evaluates_the_rest(self):
        chosen = HeldOut(HELD_OUT, TRAIN, SEED).numbers().numpy().tolist()
        for make in KINDS.values():
            data = make(self.folder, augment=add_noise)
            whole = data.holding_out(HELD_OUT, SEED)
            expected = list(range(HELD_OUT)) if isinstance(data, StreamData) else chosen
            self.assertEqual((whole.train_samples, whole.validation_samples), (36, HELD_OUT))
            self.assertEqual(whole.element_spec(), data.element_spec())
            batches = list(whole.validation_batches(Share(0, HELD_OUT, 5, parallel_calls=2)))
            self.assertEqual(sum((y.numpy().tolist() for _, y in batches), []), expected)
            # Nothing is augmented.
            self.assertAllEqual(np.concatenate(batches[0][0])[::2], expected[:5])
            self.assertEqual(
                sum(numbers(whole.validation_batches(Share(3, 8, 2))), []), expected[3:8]
            )
            self.assertEmpty(list(whole.validation_batches(Share(0, 0, 5))))
            others = [number for number in range(TRAIN) if number not in expected]
            for samples in (1000, 20):
                drawn = sum(numbers(on_worker(whole, samples, sizes=[4]).take(18)), [])
                for begin in range(0, 72, min(samples, 36)):
                    one_pass = drawn[begin : begin + min(samples, 36)]
                    if len(one_pass) == min(samples, 36):
                        self.assertCountEqual(one_pass, others[:samples])
            # A stream that is left off and made again goes on with the same samples.
            again = make(self.folder).holding_out(HELD_OUT, SEED)
            drawn = numbers(on_worker(whole, 1000, sizes=[4]).take(12))
            self.assertEqual(numbers(on_worker(again, 1000, 20, sizes=[4]).take(7)), drawn[5:])
            self.assertEqual(
                sum(numbers(whole.test_batches(Share(0, 20, 7))), []), list(range(50, 70))
            )

    def test_a_pipeline_with_a_seed_is_refused(self):
        data = made(lambda seed: tf.data.Dataset.range(TRAIN).map(parse_number))
        with self.assertRaisesRegex(UserError, "make_train takes a seed.*validation_samples=5"):
            data.holding_out(5, SEED)

    def test_nothing_is_held_out_unless_told(self):
        data = Data(load, TRAIN, 20)
        self.assertEqual(data.validation_samples, 0)
        with self.assertRaises(ValueError):
            data.validation_batches(Share(0, 1, 1))


class RecordsTest(PipelineTest):
    def test_images_of_records(self):
        data = ImageClassificationData(self.data).holding_out(30, SEED)
        expected = data.held_out.numbers().numpy().tolist()
        self.assertEqual((data.train_samples, data.validation_samples), (70, 30))
        self.assertEqual(
            sum(self.numbers(data.validation_batches(Share(0, 30, 8)), 9), []), expected
        )
        batches = data.training_batches(1000, StreamSettings([10], 0, 1))
        drawn = sum(self.numbers(batches, 14), [])
        others = sorted({*range(100)} - {*expected})
        self.assertCountEqual(drawn[:70], others)
        self.assertCountEqual(drawn[70:], others)


class ImageFilesTest(ImageSourceTest):
    def test_images_of_a_folder(self):
        data = ImageClassificationData(self.prepare()).holding_out(5, SEED)
        shades = [
            self.shades(np.concatenate([x for x, _ in batches.as_numpy_iterator()]))
            for batches in (
                data.validation_batches(Share(0, 5, 2, parallel_calls=2)),
                data.training_batches(100, StreamSettings([7], 0, 2)).take(1),
            )
        ]
        everything = ImageClassificationData(replace(data).files)
        (all_images, _), *_ = everything.training_batches(100, StreamSettings([12], 0, 2)).take(1)
        self.assertEqual([len(part) for part in shades], [5, 7])
        self.assertCountEqual(sum(shades, []), self.shades(all_images.numpy()))
