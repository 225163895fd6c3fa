"""Workers that have the data at other paths than the chief."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import tensorflow as tf

from dbsl_tf.data import pipeline
from dbsl_tf.data.image_folder import ImageData, prepare_image_folder
from dbsl_tf.data.image_source import decodable
from dbsl_tf.data.own_copy import Held, hold_own_copy, write_own
from dbsl_tf.data.prepare import PreparedData
from dbsl_tf.data.record_files import RecordData, checked_data
from dbsl_tf.data.training_data import Share
from tests.data.small_data import small_spec, write_record_files
from tests.data.small_images import write_image_folder
from tests.data.test_pipeline import batches_of


class OwnCopyTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.addCleanup(let_go)

    def records(self, name: str) -> RecordData:
        spec = small_spec()
        (self.folder / name).mkdir()
        write_record_files(spec, self.folder / name)
        return checked_data(spec, self.folder / name)

    def images(self, name: str, per_class: int = 4) -> ImageData:
        write_image_folder(self.folder / name / "images", per_class)
        return prepare_image_folder(
            self.folder / name / "images",
            image_size=16,
            max_bad_files=0,
            cache=self.folder / name / "cache",
        )

    def check_own_copy_is_read(self, chiefs: PreparedData, workers: PreparedData):
        expected = batches(chiefs)
        hidden = self.folder / "hidden"
        (self.folder / "chief").rename(hidden)
        with self.assertRaises(tf.errors.NotFoundError):
            batches(chiefs)
        hold_own_copy(workers)
        for found, wanted in zip(batches(chiefs), expected, strict=True):
            self.assertAllEqual(found, wanted)

    def test_records_are_read_where_the_worker_has_them(self):
        self.check_own_copy_is_read(self.records("chief"), self.records("worker [1] #2"))

    def test_images_and_their_lists_are_read_where_the_worker_has_them(self):
        self.check_own_copy_is_read(self.images("chief"), self.images("worker [1] #2"))

    def test_other_images_are_not_taken_for_those_of_the_chief(self):
        chiefs = self.images("chief")
        hold_own_copy(self.images("worker", per_class=5))
        (self.folder / "chief").rename(self.folder / "hidden")
        with self.assertRaisesRegex(tf.errors.NotFoundError, str(chiefs.train_list.parent)):
            batches(chiefs)

    def test_images_of_its_own_that_a_worker_cannot_decode_are_found(self):
        chiefs, workers = self.images("chief"), self.images("worker")
        hold_own_copy(workers)
        damaged, gone = "cat/photo1.png", "ant/photo0.jpg"
        (workers.directory / "train" / damaged).write_text("no image")
        (workers.directory / "val" / gone).unlink()
        find = tf.function(lambda split, start: decodable(chiefs, split, start, count=8))
        for split, file, bad in (
            ("train", chiefs.train_list, damaged),
            ("val", chiefs.test_list, gone),
        ):
            names = [line.split("\t")[1] for line in file.read_text().split("\n")]
            for start in range(0, len(names), 8):
                expected = [name != bad for name in names[start : start + 8]]
                found = find(split, tf.constant(start, tf.int64)).numpy().tolist()
                self.assertEqual(found, expected + [True] * (8 - len(expected)))

    def test_a_list_is_written_where_a_worker_has_lists_of_its_own(self):
        name, content = "lists-1/train.tsv", b"0\tant/photo1.png"
        write = tf.function(lambda: write_own(Held.LISTS, "lists-*", name, content))
        self.assertFalse(write())
        workers = self.images("worker")
        hold_own_copy(workers)
        self.assertTrue(write())
        written = workers.train_list.parents[1] / name
        self.assertEqual(written.read_bytes(), content)
        self.assertFalse(write())
        written.write_bytes(content[:3])
        self.assertTrue(write())
        self.assertEqual(written.read_bytes(), content)

    def test_without_a_copy_the_chiefs_paths_are_read(self):
        os.dup2(self.enterContext(tempfile.TemporaryFile()).fileno(), Held.SAMPLES)
        data = self.records("chief")
        self.assertLen(batches(data)[-1], 20)


def batches(data: PreparedData) -> list[np.ndarray]:
    """A batch of the training set and one of the test set, as a worker makes them."""
    training = batches_of(data, batch_sizes=[8], resolution=16)
    testing = pipeline.test_dataset(data, Share(0, data.spec.test_samples, 20), 16)
    return [
        part
        for dataset in (training, testing)
        for part in next(dataset.take(1).as_numpy_iterator())
    ]


def let_go() -> None:
    for held in Held:
        with suppress(OSError):
            os.close(held)


if __name__ == "__main__":
    tf.test.main()
