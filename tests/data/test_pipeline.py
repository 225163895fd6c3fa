"""What a worker trains and evaluates on."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from dbsl_tf.config import AUGMENTATIONS
from dbsl_tf.data import pipeline
from dbsl_tf.data.image_classification import ImageClassificationData
from dbsl_tf.data.prepare import PreparedData
from dbsl_tf.data.record_files import checked_data
from dbsl_tf.data.sample_stream import mini_epoch_batches
from dbsl_tf.data.training_data import Share, StreamSettings
from tests.data.small_data import small_spec, write_record_files


@dataclass(frozen=True)
class _Step:
    name: str
    parameters: dict


def _all_steps() -> tuple[_Step, ...]:
    """Every augmentation with its defaults."""
    return tuple(
        _Step(name, model(name=name).model_dump(exclude={"name"}))
        for name, model in AUGMENTATIONS.items()
    )


def batches_of(
    data: PreparedData,
    train_samples: int = 100,
    augment: Sequence[object] = (),
    resolution: int | None = None,
    **stream: object,
) -> tf.data.Dataset:
    """The training batches of a data set, in one order unless told otherwise."""
    settings = StreamSettings(**{"seed": 0, "parallel_calls": 1, **stream})
    data = ImageClassificationData(data, tuple(augment))
    return data.training_batches(train_samples, settings, resolution)


class PipelineTest(tf.test.TestCase):
    """A training set of 100 records in 5 files; the first pixel of a record is its number."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        # With these statistics a normalised pixel is the stored byte.
        cls.spec = small_spec(mean=(0.0, 0.0, 0.0), standard_deviation=(1 / 255,) * 3)
        content = write_record_files(cls.spec, folder)
        cls.train = np.concatenate([content[name] for name in cls.spec.train_files])
        cls.test = content["test_batch.bin"]
        for records in (cls.train, cls.test):
            records[:, 1] = np.arange(len(records))
        for number, name in enumerate(cls.spec.train_files):
            cls.train[20 * number : 20 * (number + 1)].tofile(folder / name)
        cls.test.tofile(folder / "test_batch.bin")
        cls.data = checked_data(cls.spec, folder)

    def training_dataset(
        self, batch=8, mini_epoch_samples=30, **arguments: object
    ) -> tf.data.Dataset:
        return batches_of(
            self.data,
            **{"batch_sizes": mini_epoch_batches(batch, mini_epoch_samples), **arguments},
        )

    def numbers(self, dataset: tf.data.Dataset, batches: int) -> list[list[int]]:
        """The record numbers in the first batches."""
        return [
            np.rint(images[:, 0, 0, 0]).astype(int).tolist()
            for images, _ in dataset.take(batches).as_numpy_iterator()
        ]


class TrainingDatasetTest(PipelineTest):
    @settings(max_examples=15, deadline=None)
    @given(batch=st.integers(1, 120), mini_epoch=st.integers(1, 250), samples=st.integers(1, 100))
    def test_exact_mini_epochs_and_whole_passes(self, batch: int, mini_epoch: int, samples: int):
        steps = -(-mini_epoch // batch)
        mini_epochs = -(-2 * samples // mini_epoch)
        batches = self.numbers(
            self.training_dataset(
                batch=batch, mini_epoch_samples=mini_epoch, train_samples=samples
            ),
            steps * mini_epochs,
        )
        for start in range(0, len(batches), steps):
            sizes = [len(numbers) for numbers in batches[start : start + steps]]
            self.assertEqual(sizes[:-1], [batch] * (steps - 1))
            self.assertEqual(sum(sizes), mini_epoch)
        drawn = np.concatenate(batches)
        for one_pass in (drawn[:samples], drawn[samples : 2 * samples]):
            self.assertCountEqual(one_pass, range(samples))

    def test_images_and_labels_are_those_of_the_records(self):
        dataset = self.training_dataset(batch=100, mini_epoch_samples=100)
        images, labels = next(dataset.as_numpy_iterator())
        self.assertEqual((images.dtype, labels.dtype), (np.float32, np.float32))
        records = self.train[np.rint(images[:, 0, 0, 0]).astype(int)]
        expected = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        self.assertAllClose(images, expected, atol=1e-3)
        self.assertAllEqual(labels, np.eye(10)[records[:, 0]])

    def test_normalised_by_the_statistics_of_the_data_set(self):
        with tempfile.TemporaryDirectory() as folder:
            spec = small_spec("cifar100")
            content = write_record_files(spec, Path(folder))
            dataset = batches_of(
                checked_data(spec, Path(folder)), train_samples=20, batch_sizes=[20]
            )
            images, labels = next(dataset.as_numpy_iterator())
        pixels = content["train.bin"][:, 2:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        expected = (pixels / 255 - np.array(spec.mean)) / np.array(spec.standard_deviation)
        self.assertAllClose(np.sort(images.ravel()), np.sort(expected.ravel()), atol=1e-4)
        # The second label byte, the fine label, is the one used.
        self.assertAllEqual(labels.sum(axis=0), np.full(10, 2))

    def test_seed_decides_the_order(self):
        first, again, other = (
            self.numbers(self.training_dataset(seed=seed), 40) for seed in (1, 1, 2)
        )
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)
        flat = sum(first, [])
        self.assertNotEqual(flat[:100], flat[100:200])
        self.assertNotEqual(flat[:100], sorted(flat[:100]))

    @pytest.mark.slow
    def test_seed_decides_every_batch_whatever_is_made_at_the_same_time(self):
        def maker(parallel_calls):
            """Builds the data set of a seed, as a worker does; traced once for all seeds."""

            @tf.function(input_signature=[tf.TensorSpec([], tf.int64)])
            def make(seed):
                dataset = self.training_dataset(
                    augment=_all_steps(), parallel_calls=parallel_calls, seed=seed
                )
                return tf.data.experimental.to_variant(dataset)

            return make

        def batches(make, seed):
            variant = make(tf.constant(seed, tf.int64))
            dataset = tf.data.experimental.from_variant(
                variant, self.training_dataset().element_spec
            )
            return list(dataset.take(12).as_numpy_iterator())

        one, four = maker(1), maker(4)
        alone = batches(one, seed=3)
        for expected, actual in zip(alone, batches(four, seed=3), strict=True):
            self.assertAllEqual(actual[0], expected[0])
            self.assertAllEqual(actual[1], expected[1])
        self.assertNotAllClose(alone[0][0], batches(four, seed=4)[0][0])

    def test_seed_decides_the_draws_and_not_only_the_order(self):
        # The one record is always the same, so what differs is drawn.
        crop = (_Step("random_crop", {"padding": 4}),)
        first, other = (
            next(
                self.training_dataset(
                    augment=crop, train_samples=1, batch=16, seed=seed
                ).as_numpy_iterator()
            )[0]
            for seed in (1, 2)
        )
        self.assertNotAllClose(first, other)

    @settings(max_examples=6, deadline=None)
    @given(batch=st.integers(1, 40), mini_epochs=st.integers(0, 6), samples=st.integers(1, 100))
    def test_goes_on_from_a_later_sample(self, batch: int, mini_epochs: int, samples: int):
        steps = -(-30 // batch)
        arguments = {
            "batch": batch,
            "train_samples": samples,
            "augment": (_Step("random_crop", {"padding": 4}), _Step("mix_up", {"alpha": 0.2})),
            "parallel_calls": 2,
        }
        whole = self.training_dataset(**arguments).skip(mini_epochs * steps).take(4)
        later = self.training_dataset(
            **arguments, first_sample=tf.constant(30 * mini_epochs, tf.int64)
        )
        for expected, actual in zip(whole, later.take(4), strict=True):
            self.assertAllEqual(actual[0], expected[0])
            self.assertAllEqual(actual[1], expected[1])

    def test_augmented(self):
        dataset = self.training_dataset(
            augment=(
                _Step("random_crop", {"padding": 4}),
                _Step("mix_up", {"alpha": 1.0}),
            ),
            batch=7,
            mini_epoch_samples=15,
        )
        for (images, labels), size in zip(dataset.take(6), [7, 7, 1, 7, 7, 1], strict=True):
            self.assertEqual(images.shape, (size, 32, 32, 3))
            self.assertAllClose(tf.reduce_sum(labels, axis=1), tf.ones(size))
        self.assertEqual(dataset.element_spec[0].shape.as_list(), [None, 32, 32, 3])
        self.assertEqual(dataset.element_spec[1].shape.as_list(), [None, 10])

    def test_resized_before_augmentation(self):
        arguments = {"batch": 10, "mini_epoch_samples": 10}
        native = next(iter(self.training_dataset(**arguments)))[0]
        small = next(iter(self.training_dataset(**arguments, resolution=24)))[0]
        self.assertAllClose(small, tf.image.resize(native, (24, 24), antialias=True), atol=0.01)
        self.assertAllEqual(
            next(iter(self.training_dataset(**arguments, resolution=32)))[0], native
        )
        # An offset of a crop is a pixel of the small image.
        padded = tf.pad(small, [[0, 0], [1, 1], [1, 1], [0, 0]])
        cropped = next(
            iter(
                self.training_dataset(
                    **arguments, resolution=24, augment=(_Step("random_crop", {"padding": 1}),)
                )
            )
        )[0]
        windows = tf.stack(
            [padded[:, y : y + 24, x : x + 24] for y in range(3) for x in range(3)], axis=1
        )
        nearest = tf.reduce_min(
            tf.reduce_max(tf.abs(windows - cropped[:, None]), axis=[2, 3, 4]), axis=1
        )
        self.assertAllClose(nearest, tf.zeros(10), atol=1e-3)

    def test_every_pass_is_augmented_anew(self):
        dataset = self.training_dataset(
            augment=(_Step("random_crop", {"padding": 4}),), train_samples=1, batch=1
        )
        distinct = {images.tobytes() for images, _ in dataset.take(20).as_numpy_iterator()}
        self.assertGreater(len(distinct), 10)

    def test_built_on_a_worker_that_chooses_by_its_role(self):
        """As in a dataset_fn: traced once, no variable, no pixels in the graph."""

        def forbid(next_creator, **arguments):
            raise AssertionError(f"a variable was created: {arguments.get('name')}")

        @tf.function(input_signature=[tf.TensorSpec([], tf.int64)])
        def make(worker):
            with tf.variable_creator_scope(forbid):
                dataset = self.training_dataset(
                    augment=(_Step("random_flip", {"mode": "vertical"}),),
                    batch=tf.gather(tf.constant([8, 32], tf.int64), worker),
                    mini_epoch_samples=tf.gather(tf.constant([20, 40], tf.int64), worker),
                    seed=worker,
                )
            return tf.data.experimental.to_variant(dataset)

        concrete = make.get_concrete_function()
        self.assertEmpty(concrete.variables)
        self.assertNotIn(tf.resource, [tensor.dtype for tensor in concrete.captured_inputs])
        self.assertLess(concrete.graph.as_graph_def().ByteSize(), 100_000)

        element_spec = self.training_dataset().element_spec
        self.assertEqual(element_spec, ImageClassificationData(self.data).element_spec())
        for worker, sizes in ((0, [8, 8, 4, 8]), (1, [32, 8, 32, 8])):
            dataset = tf.data.experimental.from_variant(
                make(tf.constant(worker, tf.int64)), element_spec
            )
            self.assertEqual([len(images) for images, _ in dataset.take(4)], sizes)

    def test_nothing_is_tuned(self):
        """Closing an iterator could wait for the tuner, up to a minute."""
        self.assertFalse(self.training_dataset().options().autotune.enabled)

    @pytest.mark.slow
    def test_every_augmentation_can_be_built_on_a_worker(self):
        for step in _all_steps():

            def first_batch(step):
                return next(iter(self.training_dataset(augment=(step,), batch=6)))

            with self.subTest(step.name):
                images, labels = tf.function(partial(first_batch, step), autograph=False)()
                self.assertEqual(images.shape, (6, 32, 32, 3))
                self.assertAllClose(tf.reduce_sum(labels, axis=1), tf.ones(6))


class MiniEpochBatchesTest(tf.test.TestCase):
    def test_sizes(self):
        for batch, samples, expected in (
            (8, 24, [8, 8, 8]),
            (8, 25, [8, 8, 8, 1]),
            (8, 7, [7]),
            (1, 2, [1, 1]),
        ):
            sizes = mini_epoch_batches(batch, samples)
            self.assertAllEqual(sizes, expected)
            self.assertEqual(sizes.dtype, tf.int64)


class TestDatasetTest(PipelineTest):
    def test_shards_cover_every_record_once_in_order(self):
        @tf.function(input_signature=[tf.TensorSpec([], tf.int64)] * 2)
        def evaluate(start, stop):
            numbers = tf.TensorArray(tf.float32, 0, dynamic_size=True, infer_shape=False)
            for images, _ in pipeline.test_dataset(self.data, Share(start, stop, 3)):
                numbers = numbers.write(numbers.size(), images[:, 0, 0, 0])
            return numbers.concat()

        drawn = [
            evaluate(tf.constant(start, tf.int64), tf.constant(stop, tf.int64))
            for start, stop in ((0, 7), (7, 8), (8, 20))
        ]
        self.assertAllClose(tf.concat(drawn, axis=0), np.arange(20.0), atol=1e-3)

    def test_images_and_labels(self):
        dataset = pipeline.test_dataset(self.data, Share(5, 12, 5))
        batches = list(dataset.as_numpy_iterator())
        self.assertEqual([len(labels) for _, labels in batches], [5, 2])
        images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        expected = self.test[5:12, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        self.assertAllClose(images, expected, atol=1e-3)
        self.assertAllEqual(labels, np.eye(10)[self.test[5:12, 0]])

    def test_resized(self):
        dataset = pipeline.test_dataset(self.data, Share(5, 12, 7), resolution=48)
        images, _ = next(iter(dataset))
        pixels = self.test[5:12, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        expected = tf.image.resize(pixels, (48, 48), antialias=True)
        self.assertAllClose(images, expected, atol=0.01)
