"""Every augmentation augments, image by image, without a variable."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import keras_cv
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import op_def_registry

from dbsl_tf.data.augmentation import build_augmentation
from dbsl_tf.data.draws import SeededDraws, stateless_seeds
from dbsl_tf.data.keras_cv_layers import RandomFlip


@dataclass(frozen=True)
class _Step:
    name: str
    parameters: dict = field(default_factory=dict, hash=False)


STEPS = (
    _Step("random_crop", {"padding": 4}),
    _Step("random_flip", {"mode": "horizontal"}),
    _Step("random_translation", {"height_factor": 0.125, "width_factor": 0.125}),
    _Step("random_cutout", {"height_factor": 0.5, "width_factor": 0.5}),
    _Step("rand_augment", {"augmentations_per_image": 2, "magnitude": 0.3, "rate": 0.9}),
    _Step("mix_up", {"alpha": 0.2}),
    _Step("cut_mix", {"alpha": 1.0}),
)


@cache
def _traced(*steps: _Step) -> tf.types.experimental.PolymorphicFunction:
    """The steps built and traced where no variable may be made, for any number of images."""

    def forbid(next_creator, **arguments):
        raise AssertionError(f"a variable was created: {arguments.get('name')}")

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 32, 32, 3]),
            tf.TensorSpec([None, None]),
            tf.TensorSpec([2], tf.int64),
        ],
    )
    def augment(images, labels, seed):
        with tf.variable_creator_scope(forbid):
            return build_augmentation(steps, 32)(images, labels, seed)

    augment.get_concrete_function()
    return augment


def _seed(number: int) -> tf.Tensor:
    return stateless_seeds(tf.constant([0, number], tf.int64), 1)[0]


def _images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3)).astype(np.float32)


def _one_hot(count: int) -> np.ndarray:
    return np.eye(count, dtype=np.float32)


def _distinct(images: tf.Tensor) -> int:
    return len({image.tobytes() for image in images.numpy()})


def _stateful(concrete: tf.types.experimental.ConcreteFunction) -> set[str]:
    """Operations with a state: variables, and random numbers that differ from call to call."""
    definition = concrete.graph.as_graph_def()
    nodes = list(definition.node)
    for function in definition.library.function:
        nodes.extend(function.node_def)
    harmless = {"Assert", "If", "While", "Case", "StatefulPartitionedCall", "Placeholder"}
    return {node.op for node in nodes if op_def_registry.get(node.op).is_stateful} - harmless


class EveryAugmentationTest(tf.test.TestCase):
    def test_keeps_shape_type_range_and_label_sum(self):
        for step in STEPS:
            augment = _traced(step)
            for count in (1, 2, 33):
                images, labels = augment(_images(count), _one_hot(count), _seed(0))
                self.assertEqual(images.shape, (count, 32, 32, 3), step.name)
                self.assertEqual(images.dtype, tf.float32)
                self.assertEqual(labels.dtype, tf.float32)
                self.assertAllInRange(images, 0.0, 255.0)
                self.assertAllClose(tf.reduce_sum(labels, axis=1), tf.ones(count))

    @pytest.mark.slow
    def test_draws_anew_for_every_image_and_batch(self):
        images = np.repeat(_images(1), 64, axis=0)
        images[1::2] = 255 - images[1::2]  # Mixing needs two kinds of images.
        for step in STEPS:
            augment = _traced(step)
            first, _ = augment(images, _one_hot(64), _seed(0))
            second, _ = augment(images, _one_hot(64), _seed(1))
            fewest = 4 if step.name == "random_flip" else 20
            self.assertGreaterEqual(_distinct(first), fewest, step.name)
            self.assertNotAllEqual(first, second)

    @pytest.mark.slow
    def test_a_function_of_the_seed(self):
        """Whatever has been drawn before, and also when it is built anew."""
        for step in STEPS:
            first, again = (_traced(step)(_images(33), _one_hot(33), _seed(5)) for _ in range(2))
            self.assertAllEqual(first[0], again[0], step.name)
            self.assertAllEqual(first[1], again[1], step.name)
        first = _traced(*STEPS)(_images(33), _one_hot(33), _seed(5))
        again = _traced.__wrapped__(*STEPS)(_images(33), _one_hot(33), _seed(5))
        self.assertAllEqual(first[0], again[0])
        self.assertAllEqual(first[1], again[1])

    @pytest.mark.slow
    def test_no_variable_is_read_and_nothing_has_state(self):
        concrete = _traced(*STEPS).get_concrete_function()
        self.assertEmpty(concrete.variables)
        self.assertNotIn(tf.resource, [tensor.dtype for tensor in concrete.captured_inputs])
        self.assertEmpty(_stateful(concrete))

        # What the layers do when they are left alone: the check above can fail.
        for layer, operation in (
            (keras_cv.layers.RandomFlip(), "RngReadAndSkip"),
            (keras_cv.layers.RandAugment((0, 255)), "RandomUniform"),
        ):
            plain = tf.function(layer).get_concrete_function(tf.TensorSpec([None, 32, 32, 3]))
            self.assertIn(operation, _stateful(plain))

    @pytest.mark.slow
    def test_layers_built_outside_the_traced_function(self):
        augment = tf.function(build_augmentation(STEPS, 32))
        images, _ = augment(_images(8), _one_hot(8), _seed(0))
        self.assertEqual(images.shape, (8, 32, 32, 3))

    def test_global_generator_works_afterwards(self):
        build_augmentation(STEPS, 32)
        self.assertIsInstance(tf.random.get_global_generator(), tf.random.Generator)

    def test_steps_in_their_order(self):
        hole = _Step("random_cutout", {"height_factor": 0.5, "width_factor": 0.5})
        mix = _Step("mix_up", {"alpha": 1.0})
        white = np.full((16, 32, 32, 3), 255, np.float32)
        # Mixing after blanking makes grey, blanking after mixing white does not.
        mixed_holes, _ = _traced(hole, mix)(white, _one_hot(16), _seed(0))
        holes, _ = _traced(mix, hole)(white, _one_hot(16), _seed(0))
        self.assertGreater(len(np.unique(tf.round(mixed_holes))), 2)
        self.assertAllInSet(tf.round(holes), [0.0, 255.0])

    def test_no_step_changes_nothing(self):
        images, labels = _traced()(_images(4), _one_hot(4), _seed(0))
        self.assertAllEqual(images, _images(4))
        self.assertAllEqual(labels, _one_hot(4))


class RandomCropTest(tf.test.TestCase):
    def test_exact_windows_at_every_offset_alike(self):
        # The pixel at row y, column x holds its own position, so a window shows its offset.
        rows, columns = np.meshgrid(np.arange(1, 33), np.arange(1, 33), indexing="ij")
        image = np.stack([rows, columns, rows], axis=-1).astype(np.float32)
        for padding, count in ((1, 2000), (4, 2000), (16, 300), (32, 300)):
            padded = np.pad(image, ((padding, padding), (padding, padding), (0, 0)))
            windows = {
                padded[top : top + 32, left : left + 32].tobytes(): (top, left)
                for top in range(2 * padding + 1)
                for left in range(2 * padding + 1)
            }
            step = _Step("random_crop", {"padding": padding})
            images, _ = _traced(step)(
                np.repeat(image[None], count, axis=0), _one_hot(count), _seed(0)
            )
            offsets = np.array([windows[cropped.tobytes()] for cropped in images.numpy()])
            if padding <= 4:
                for axis in (0, 1):
                    share = np.bincount(offsets[:, axis], minlength=2 * padding + 1) / count
                    self.assertAllClose(share, np.full(2 * padding + 1, share.mean()), atol=0.04)


class RandomFlipTest(tf.test.TestCase):
    def test_each_mode(self):
        image = _images(1)[0]
        for mode, kinds in (
            ("horizontal", [image, image[:, ::-1]]),
            ("vertical", [image, image[::-1]]),
            ("horizontal_and_vertical", [image, image[:, ::-1], image[::-1], image[::-1, ::-1]]),
        ):
            flipped, _ = _traced(_Step("random_flip", {"mode": mode}))(
                np.repeat(image[None], 200, axis=0), _one_hot(200), _seed(0)
            )
            counts = [sum(np.array_equal(one, kind) for one in flipped.numpy()) for kind in kinds]
            self.assertEqual(sum(counts), 200)
            self.assertGreater(min(counts), 200 // len(kinds) // 2)

    def test_mirrors_what_the_stock_layer_mirrors(self):
        images = _images(50)
        for mode in ("horizontal", "vertical", "horizontal_and_vertical"):
            flipped = []
            for layer in (keras_cv.layers.RandomFlip, RandomFlip):
                draws = SeededDraws()
                tf.random.set_global_generator(draws)
                self.addCleanup(tf.random.set_global_generator, None)
                with draws.seeded(_seed(3)):
                    flipped.append(layer(mode, dtype="float32")(images))
            self.assertAllEqual(*flipped)


class RandomCutoutTest(tf.test.TestCase):
    def test_blanks_a_rectangle_of_the_given_size(self):
        images, _ = _traced(_Step("random_cutout", {"height_factor": 0.25, "width_factor": 0.5}))(
            np.full((200, 32, 32, 3), 7, np.float32), _one_hot(200), _seed(0)
        )
        blank = images.numpy()[..., 0] == 0
        self.assertAllInSet(images, [0.0, 7.0])
        self.assertEqual(blank.sum(axis=(1, 2)).max(), 8 * 16)
        self.assertEqual(blank.any(axis=2).sum(axis=1).max(), 8)
        self.assertEqual(blank.any(axis=1).sum(axis=1).max(), 16)


class RandomTranslationTest(tf.test.TestCase):
    def test_moves_at_most_the_given_part(self):
        image = np.zeros((32, 32, 3), np.float32)
        image[16, 16] = 255
        images, _ = _traced(
            _Step("random_translation", {"height_factor": 0.125, "width_factor": 0.0})
        )(np.repeat(image[None], 200, axis=0), _one_hot(200), _seed(0))
        rows = np.unique(np.nonzero(images.numpy())[1])
        columns = np.unique(np.nonzero(images.numpy())[2])
        self.assertAllInRange(rows, 12, 20)
        self.assertGreater(len(rows), 5)
        self.assertAllEqual(columns, [16])


class MixingTest(tf.test.TestCase):
    def test_labels_are_mixed_as_the_images_are(self):
        # Image i is grey of its own value, so its mean tells the shares of the labels.
        values = np.linspace(5, 250, 40, dtype=np.float32)
        images = np.broadcast_to(values[:, None, None, None], (40, 32, 32, 3)).copy()
        for step in (
            _Step("mix_up", {"alpha": 1.0}),
            _Step("mix_up", {"alpha": 0.01}),
            _Step("cut_mix", {"alpha": 1.0}),
            _Step("cut_mix", {"alpha": 0.2}),
        ):
            mixed, labels = _traced(step)(images, _one_hot(40), _seed(0))
            self.assertAllClose(
                tf.reduce_mean(mixed, axis=[1, 2, 3]), tf.linalg.matvec(labels, values), atol=0.01
            )
            self.assertAllInRange(labels, 0.0, 1.0)
            self.assertLessEqual(int(tf.reduce_max(tf.math.count_nonzero(labels, axis=1))), 2)
            if step.parameters["alpha"] == 1.0:
                both = tf.math.count_nonzero(labels, axis=1) == 2
                self.assertGreater(np.count_nonzero(both), 20)

    def test_one_sample_stays_itself(self):
        for name in ("mix_up", "cut_mix"):
            images, labels = _traced(_Step(name, {"alpha": 1.0}))(
                _images(1), [[0.0, 1.0]], _seed(0)
            )
            self.assertAllClose(images, _images(1), atol=1e-3)
            self.assertAllClose(labels, [[0.0, 1.0]])
