"""What a worker trains and evaluates on when the data are image files."""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dbsl_tf.config import AUGMENTATIONS, AugmentStep
from dbsl_tf.data import pipeline
from dbsl_tf.data.held_out import HeldOut
from dbsl_tf.data.image_folder import ImageData, prepare_image_folder
from dbsl_tf.data.sample_stream import mini_epoch_batches
from dbsl_tf.data.training_data import Share
from tests.data.small_images import CLASSES, write_bad_images, write_image_folder, write_photo
from tests.data.test_pipeline import batches_of


def step(name: str, **parameters: object) -> AugmentStep:
    model = AUGMENTATIONS[name](name=name, **parameters)
    return AugmentStep(name, model.model_dump(exclude={"name"}))


class ImageSourceTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.directory, self.cache = folder / "images", folder / "cache"
        self.greys = write_image_folder(self.directory)

    def prepare(self) -> ImageData:
        with contextlib.redirect_stderr(io.StringIO()):
            return prepare_image_folder(
                self.directory, image_size=16, max_bad_files=3, cache=self.cache
            )

    def training_dataset(self, **arguments: object) -> tf.data.Dataset:
        defaults = {
            "train_samples": 12,
            "batch_sizes": mini_epoch_batches(5, 8),
            "parallel_calls": 2,
        }
        return batches_of(self.prepare(), **{**defaults, **arguments})

    def shades(self, images: np.ndarray) -> list[int]:
        """The grey of each image, as it was stored."""
        spec = self.prepare().spec
        pixels = 255 * (images * np.array(spec.standard_deviation) + np.array(spec.mean))
        return np.rint(pixels.mean(axis=(1, 2, 3))).astype(int).tolist()


class TrainingTest(ImageSourceTest):
    def test_every_image_once_in_each_pass_with_its_label(self):
        write_bad_images(self.directory)
        labels_of = {
            grey: CLASSES.index(path.split("/")[1])
            for path, grey in self.greys.items()
            if path.startswith("train")
        }
        seen = []
        dataset = self.training_dataset(augment=(step("random_resized_crop"),))
        for images, labels in dataset.take(12).as_numpy_iterator():
            self.assertEqual(images.shape[1:], (16, 16, 3))
            for shade, label in zip(self.shades(images), labels, strict=True):
                # A JPEG is not exact.
                grey = min(labels_of, key=lambda grey: abs(grey - shade))
                self.assertLessEqual(abs(grey - shade), 1)
                self.assertEqual(np.argmax(label), labels_of[grey])
                seen.append(grey)
        # 12 batches of 5, 3, 5, 3, … are 48 images: four passes over 12 files.
        for begin in range(0, 48, 12):
            self.assertCountEqual(seen[begin : begin + 12], labels_of)
        self.assertNotEqual(seen[:12], seen[12:24])

    def test_every_file_is_seen_in_the_mini_epochs_of_a_small_worker(self):
        """A worker that trains a quarter in each mini-epoch has seen all after four of them."""
        seen = set()
        dataset = self.training_dataset(batch_sizes=mini_epoch_batches(2, 3))
        for images, _ in dataset.take(2 * 4).as_numpy_iterator():
            seen.update(self.shades(images))
        self.assertLen(seen, 12)

    def test_the_seed_decides_and_a_later_stream_goes_on(self):
        arguments = {
            "augment": (step("random_resized_crop"), step("random_flip"), step("mix_up")),
            "batch_sizes": [4],
            "resolution": 24,
        }
        noise = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
        Image.fromarray(noise).save(self.directory / "train" / "ant" / "photo0.jpg")
        batches = list(self.training_dataset(**arguments).take(9))
        for start, other in (
            (0, self.training_dataset(**arguments, parallel_calls=1)),
            (5, self.training_dataset(**arguments, first_sample=tf.constant(20, tf.int64))),
        ):
            for expected, actual in zip(batches[start:], other.take(9 - start), strict=True):
                self.assertAllEqual(actual[0], expected[0])
                self.assertAllEqual(actual[1], expected[1])
        differing = next(iter(self.training_dataset(**arguments, seed=1)))
        self.assertNotAllClose(differing[0], batches[0][0])

    def test_without_a_crop_the_middle_at_the_resolution(self):
        for resolution in (16, 40):
            images, _ = next(iter(self.training_dataset(resolution=resolution)))
            self.assertEqual(images.shape, (5, resolution, resolution, 3))

    @pytest.mark.slow
    def test_built_on_a_worker(self):
        """As in a dataset_fn: no variable, no names and no pixels in the graph."""

        def forbid(next_creator, **arguments):
            raise AssertionError(f"a variable was created: {arguments.get('name')}")

        write_image_folder(self.directory, per_class=40)

        @tf.function(input_signature=[tf.TensorSpec([], tf.int64)])
        def make(worker):
            with tf.variable_creator_scope(forbid):
                dataset = self.training_dataset(
                    augment=(step("random_resized_crop"), step("random_flip")),
                    seed=worker,
                    first_sample=worker,
                )
            return tf.data.experimental.to_variant(dataset)

        graph = make.get_concrete_function().graph.as_graph_def().SerializeToString()
        self.assertNotIn(b"photo", graph)
        dataset = tf.data.experimental.from_variant(
            make(tf.constant(1, tf.int64)), self.training_dataset().element_spec
        )
        self.assertEqual([len(labels) for _, labels in dataset.take(4)], [5, 3, 5, 3])

    def test_fewer_samples_are_the_first_of_the_list(self):
        lines = self.prepare().train_list.read_text().split("\n")[:3]
        expected = [self.greys[f"train/{line.split(chr(9))[1]}"] for line in lines]
        images, _ = next(iter(self.training_dataset(train_samples=3, batch_sizes=[3])))
        self.assertAllClose(np.sort(self.shades(images.numpy())), np.sort(expected), atol=1)


class EveryKindOfFileTest(ImageSourceTest):
    def test_decoded_alike(self):
        kinds = {
            "grey.jpg": "L",
            "colour.jpg": "RGB",
            "print.jpg": "CMYK",
            "grey.png": "L",
            "clear.png": "RGBA",
            "grey_clear.png": "LA",
            "palette.png": "P",
            "deep.png": "I;16",
            "line.png": "1",
            "colour.webp": "RGB",
            "grey.webp": "L",
        }
        for name, mode in kinds.items():
            path = self.directory / "val" / "ant" / name
            if mode == "I;16":
                Image.fromarray(np.full((30, 40), 150 * 257, np.uint16)).save(path)
            else:
                write_photo(path, 255 if mode == "1" else 150, mode=mode)
        # A PNG that is called a JPEG, as there are some in ImageNet.
        write_photo(self.directory / "val" / "ant" / "really.png", 150)
        (self.directory / "val" / "ant" / "really.png").rename(
            self.directory / "val" / "ant" / "really.jpeg"
        )
        data = self.prepare()
        self.assertEmpty(data.unreadable)
        names = [line.split("\t")[1] for line in data.test_list.read_text().split("\n")]
        dataset = pipeline.test_dataset(data, Share(0, len(names), 4))
        shades = sum((self.shades(images) for images, _ in dataset.as_numpy_iterator()), [])
        found = dict(zip(names, shades, strict=True))
        for name in (*kinds, "really.jpeg"):
            expected = 255 if name == "line.png" else 150
            self.assertAllClose(found[f"ant/{name}"], expected, atol=2, msg=name)


class TestDatasetTest(ImageSourceTest):
    def test_shares_cover_every_image_once_with_its_label(self):
        data = self.prepare()
        expected = [
            (grey, CLASSES.index(path.split("/")[1]))
            for path, grey in sorted(self.greys.items())
            if path.startswith("val")
        ]
        found = []
        for start, stop in ((0, 4), (4, 5), (5, 6)):
            dataset = pipeline.test_dataset(
                data, Share(start, stop, 3, parallel_calls=2), resolution=20
            )
            for images, labels in dataset.as_numpy_iterator():
                self.assertEqual(images.shape[1:], (20, 20, 3))
                found += zip(self.shades(images), np.argmax(labels, axis=1).tolist())
        self.assertEqual(found, expected)

    def test_only_a_part_of_the_middle_is_tested_where_it_is_asked_for(self):
        # White at the edge of the square in the middle, 4 pixels wide.
        image = np.full((32, 48, 3), 255, np.uint8)
        image[4:28, 12:36] = 0
        for split in ("train", "val"):
            for path in (self.directory / split).rglob("*.*"):
                path.unlink()
            for name in CLASSES:
                for number in range(2):
                    Image.fromarray(image).save(self.directory / split / name / f"{number}.png")
        data = self.prepare()
        held_out = HeldOut(2, data.spec.train_samples, seed=0)
        for share, edge in ((1.0, 255), (0.75, 0)):
            for dataset in (
                pipeline.test_dataset(data, Share(0, 2, 2), 24, share),
                pipeline.validation_dataset(data, held_out, Share(0, 2, 2), 24, share),
            ):
                ((images, _),) = dataset.as_numpy_iterator()
                self.assertEqual(self.shades(images[:, :1]), [edge, edge])
                self.assertEqual(self.shades(images[:, 6:18, 6:18]), [0, 0])
