"""The same numbered samples as every kind of own data."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from dbsl_tf.data.array_data import arrays
from dbsl_tf.data.own_data import Data, OwnData
from dbsl_tf.data.stream_data import stream
from dbsl_tf.data.tfrecord_data import tfrecords

TRAIN, TEST = 50, 20


def preprocess(x, y):
    return x + 1.0, y


def add_noise(x, y, seed):
    return x + tf.random.stateless_uniform(tf.shape(x), seed, 0.0, 0.4), y


def load(indices):
    return _features(indices), indices


def parse(record):
    number = tf.strings.to_number(record, tf.int64)
    return _features(number), number


def training_numbers():
    return tf.data.Dataset.range(TRAIN).map(parse_number)


def numbers_to_test():
    return tf.data.Dataset.range(TRAIN, TRAIN + TEST).map(parse_number)


def parse_number(number):
    return _features(number), number


def _features(number):
    number = tf.cast(number, tf.float32)
    return tf.stack([number, 100.0 - number], axis=-1)


def make_data(folder: Path, **functions: object) -> OwnData:
    return Data(load, TRAIN, TEST, **functions)


def make_arrays(folder: Path, **functions: object) -> OwnData:
    number = np.arange(TRAIN + TEST)
    x = np.stack([number, 100 - number], axis=1).astype(np.float32)
    made = arrays(x[:TRAIN], number[:TRAIN], x[TRAIN:], number[TRAIN:], **functions)
    return made.write(folder / "arrays")


def make_tfrecords(folder: Path, **functions: object) -> OwnData:
    train = [
        write_records(folder / "a.tfrecord", range(30)),
        write_records(folder / "b.tfrecord.gz", range(30, TRAIN)),
    ]
    test = write_records(folder / "c.tfrecord", range(TRAIN, TRAIN + TEST))
    return tfrecords(train, test, parse, **functions)


def make_stream(folder: Path, **functions: object) -> OwnData:
    return stream(
        training_numbers, numbers_to_test, train_samples=TRAIN, test_samples=TEST, **functions
    )


KINDS: dict[str, Callable[..., OwnData]] = {
    "data": make_data,
    "arrays": make_arrays,
    "tfrecords": make_tfrecords,
    "stream": make_stream,
}


def write_records(path: Path, numbers: range) -> Path:
    """Writes numbers as the text of TFRecords."""
    options = "GZIP" if os.fspath(path).endswith(".gz") else None
    with tf.io.TFRecordWriter(os.fspath(path), options) as writer:
        for number in numbers:
            writer.write(str(number))
    return path
