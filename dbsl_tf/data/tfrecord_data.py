"""TFRecord files as training data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any

import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.data.held_out import elements_at
from dbsl_tf.data.own_data import Augment, IndexedData, Preprocess
from dbsl_tf.data.sample_stream import Loader, Source
from dbsl_tf.data.tfrecord_files import RecordFile, count_records, find_files

Files = str | os.PathLike | Iterable[str | os.PathLike]
Parse = Callable[[tf.Tensor], tuple[Any, ...]]


class TFRecordData(IndexedData):
    """Records in files; see `tfrecords`.

    Args:
        files: of the training and of the test set.
        parse: from a record to (x, y) or (x, y, weight).
        preprocess, augment: see `tfrecords`.
    """

    def __init__(
        self,
        files: tuple[Sequence[RecordFile], Sequence[RecordFile]],
        parse: Parse,
        preprocess: Preprocess | None,
        augment: Augment | None,
    ) -> None:
        train, test = (sum(file.records for file in split) for split in files)
        super().__init__("tfrecords", train, test, preprocess, augment)
        if not callable(parse):
            raise UserError(f"tfrecords: parse is {parse!r}; give a function")
        self._files = files
        self._parse = parse

    def _source(self) -> Source:
        return _Records(*self._files, self._called("parse", self._parse, of_batch=False))


def tfrecords(
    train_files: Files,
    test_files: Files,
    parse: Parse,
    *,
    preprocess: Preprocess | None = None,
    augment: Augment | None = None,
) -> TFRecordData:
    """Returns training data made of TFRecord files.

    The records are counted now. Each worker keeps the training records in memory, as they are in
    the files, and parses some when they are needed: their bytes and about 32 bytes a record.
    (TensorFlow cannot read a record from the middle of a file. What is larger than the memory is
    for `dbsl_tf.stream`.) Every pass over them is shuffled as a whole, by the seed of the run.

    Args:
        train_files: a path, or several, or patterns such as "data/train-*.tfrecord". Every worker
            has the files at the same paths. Names of files compressed by GZIP end in .gz or .gzip.
        test_files: likewise.
        parse: from one record, a scalar string, to (x, y) or (x, y, weight) of one sample, in
            TensorFlow's operations; all samples of one shape. x and y may be dicts or tuples.
        preprocess: from (x, y) of a batch to (x, y) or (x, y, weights); of training and test
            batches.
        augment: from (x, y, seed) of a training batch to (x, y), after `preprocess`; see
            `dbsl_tf.Data`.

    Raises:
        UserError: a file is missing, cannot be read or is not a TFRecord file, or holds no record.

    Example:
        >>> import os, tempfile
        >>> import tensorflow as tf
        >>> path = os.path.join(tempfile.mkdtemp(), "numbers.tfrecord")
        >>> with tf.io.TFRecordWriter(path) as writer:
        ...     for number in range(5):
        ...         writer.write(str(number))
        >>> def parse(record):
        ...     x = tf.strings.to_number(record)
        ...     return x[None], 2.0 * x
        >>> tfrecords(path, path, parse).train_samples
        5
    """
    files = tuple(
        count_records(find_files(given, f"tfrecords: {where}"))
        for given, where in ((train_files, "train_files"), (test_files, "test_files"))
    )
    return TFRecordData((files[0], files[1]), parse, preprocess, augment)


class _Records:
    """See `Source`: records are kept as strings and parsed one by one."""

    one_by_one = True

    def __init__(
        self,
        train: Sequence[RecordFile],
        test: Sequence[RecordFile],
        parse: Callable[[tf.Tensor], tuple[Any, Any]],
    ) -> None:
        self._train, self._test = train, test
        self._parse = parse

    def held(self, samples: int | tf.Tensor) -> tf.Tensor:
        return _dataset(self._train).take(samples).batch(samples).get_single_element()

    def training_loader(self, held: tf.Tensor) -> Loader:
        def load(indices: tf.Tensor, seeds: tf.Tensor) -> tuple[Any, Any]:
            x, y = self._parse(held[indices[0]])
            return tf.nest.map_structure(lambda tensor: tensor[None], (x, y))

        return load

    def test_batches(
        self, start: tf.Tensor, stop: tf.Tensor, batch: int | tf.Tensor, parallel_calls: int
    ) -> tf.data.Dataset:
        records = _dataset(self._test).skip(start).take(stop - start)
        return records.map(self._parse, num_parallel_calls=parallel_calls).batch(batch)

    def validation_batches(
        self, numbers: tf.Tensor, batch: int | tf.Tensor, parallel_calls: int
    ) -> tf.data.Dataset:
        records = elements_at(numbers, _dataset(self._train))
        return records.map(self._parse, num_parallel_calls=parallel_calls).batch(batch)


def _dataset(files: Sequence[RecordFile]) -> tf.data.Dataset:
    """The records of all files in order, each a scalar string."""
    parts = [
        tf.data.TFRecordDataset([file.path for file in group], compression_type=compression)
        for compression, group in groupby(files, lambda file: file.compression)
    ]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.concatenate(part)
    return whole
