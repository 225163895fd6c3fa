"""Numpy arrays as training data."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.data.array_files import ArrayFile, Part, array_files, part_of, write_arrays
from dbsl_tf.data.held_out import elements_at
from dbsl_tf.data.own_data import Augment, IndexedData, Preprocess
from dbsl_tf.data.sample_stream import Loader, Source
from dbsl_tf.data.sample_weights import WeightedLabels

_ARGUMENTS = ("x_train", "y_train", "x_test", "y_test")


class Arrays:
    """Arrays in memory, made by `arrays`; `write` makes the training data of them.

    Attributes:
        name: what messages and records call them.
        train_samples, test_samples: sizes of the two sets.
    """

    def __init__(
        self,
        given: Sequence[Any],
        sample_weight: Any,
        preprocess: Preprocess | None,
        augment: Augment | None,
    ) -> None:
        x_train, y_train, x_test, y_test = map(_as_arrays, given, _ARGUMENTS)
        parts = tuple(
            tuple(map(_parts, structures, names))
            for structures, names in (
                ((x_train, y_train), _ARGUMENTS[:2]),
                ((x_test, y_test), _ARGUMENTS[2:]),
            )
        )
        for place, letter in enumerate("xy"):
            if parts[0][place] != parts[1][place]:
                raise UserError(
                    f"{letter}_train has {_text(parts[0][place])}, but {letter}_test "
                    f"{_text(parts[1][place])}; give arrays of the same types and shapes but for "
                    "the number of samples"
                )
        self.name = "arrays"
        self.train_samples = _common_length(x_train, y_train, "train")
        self.test_samples = _common_length(x_test, y_test, "test")
        self._structure = parts[0]
        self._train = tf.nest.flatten((x_train, y_train))
        self._test = tf.nest.flatten((x_test, y_test))
        if sample_weight is not None:
            weights = _checked_weights(sample_weight, self.train_samples)
            x, y = parts[0]
            self._structure = (x, WeightedLabels(y, part_of(weights, "sample_weight")))
            self._train.append(weights)
            self._test.append(np.ones([self.test_samples, *weights.shape[1:]], np.float32))
        self._preprocess, self._augment = preprocess, augment

    def named(self, name: str) -> Arrays:
        """Returns the same data under another name."""
        renamed = copy.copy(self)
        renamed.name = name
        return renamed

    def write(self, folder: Path) -> ArrayData:
        """Writes the arrays to files that the workers read, and returns them as training data.

        Files that are there already with this very content are left as they are.

        Args:
            folder: where; every worker has it at the same path.

        Raises:
            UserError: it cannot be written.
        """
        return ArrayData(self, write_arrays(folder.absolute(), self._splits))

    def already_in(self, folder: Path) -> ArrayData:
        """Returns the training data of a folder to which these arrays were written before."""
        return ArrayData(self, array_files(folder.absolute(), self._splits))

    @property
    def _splits(self) -> Mapping[str, Sequence[np.ndarray]]:
        return {"train": self._train, "test": self._test}

    def described(self) -> tuple[Any, Preprocess | None, Augment | None]:
        """Returns the structure of (x, y) with a `Part` for each array, and the functions."""
        return self._structure, self._preprocess, self._augment

    def __reduce__(self) -> NoReturn:
        raise TypeError("arrays are not pickled: write them to files first, with write(folder)")


class ArrayData(IndexedData):
    """Arrays in files; see `Arrays.write`.

    Args:
        arrays: that were written.
        files: their records, by the split.
    """

    # Programs that were kept by an earlier version have none.
    _sha256: Mapping[str, str] = {}

    def __init__(self, arrays: Arrays, files: Mapping[str, ArrayFile]) -> None:
        self._structure, preprocess, augment = arrays.described()
        super().__init__(
            arrays.name, arrays.train_samples, arrays.test_samples, preprocess, augment
        )
        self._train_file, self._test_file = files["train"].path, files["test"].path
        self._sha256 = {split: file.sha256 for split, file in files.items()}

    def facts(self) -> dict[str, Any]:
        """See `TrainingData.facts`."""
        return super().facts() | {"arrays": self._sha256}

    def _source(self) -> Source:
        return _RecordsOfArrays(self._structure, self._train_file, self._test_file)


def arrays(
    x_train: Any,
    y_train: Any,
    x_test: Any,
    y_test: Any,
    *,
    sample_weight: Any = None,
    preprocess: Preprocess | None = None,
    augment: Augment | None = None,
) -> Arrays:
    """Returns training data made of numpy arrays of numbers.

    They are written once to a file in the directory of the run, which the workers read: on a
    cluster of several machines that directory is shared by all. Each worker keeps the training
    samples in memory, their bytes and about 32 bytes a sample.

    x and y keep their types. Values, NaN among them, are not looked at.

    Args:
        x_train: an array [samples, …], or a dict or tuple of them, for models of several inputs.
        y_train: likewise, with as many samples.
        x_test: as x_train, with another number of samples.
        y_test: as y_train, with as many as x_test.
        sample_weight: of the training samples, an array [samples] or of more dimensions; see
            `dbsl_tf.Data`. Test samples all have the weight 1. None: training samples, too.
        preprocess: from (x, y) of a batch to (x, y) or (x, y, weights), in TensorFlow's operations;
            of training and test batches, on the worker. Small types, such as uint8, are best
            converted here.
        augment: from (x, y, seed) of a training batch to (x, y), after `preprocess`; see
            `dbsl_tf.Data`.

    Raises:
        UserError: something is not an array of numbers, has no samples, or does not fit the rest.

    Example:
        >>> import numpy as np
        >>> x, y = np.zeros((10, 4), np.float32), np.arange(10)
        >>> data = arrays(x[:8], y[:8], x[8:], y[8:])
        >>> data.train_samples, data.test_samples
        (8, 2)
    """
    for key, function in (("preprocess", preprocess), ("augment", augment)):
        if function is not None and not callable(function):
            raise UserError(f"arrays: {key} is {function!r}; give a function or None")
    return Arrays((x_train, y_train, x_test, y_test), sample_weight, preprocess, augment)


class _RecordsOfArrays:
    """See `Source`: records of the concatenated bytes of all parts of a sample.

    The training records are kept as strings, which are decoded batch by batch: the same tensors
    decoded at once would need twice the memory to make.
    """

    one_by_one = False

    def __init__(self, structure: Any, train_file: Path, test_file: Path) -> None:
        self._structure = structure
        self._parts: list[Part] = tf.nest.flatten(structure)
        self._train_file, self._test_file = train_file, test_file

    def held(self, samples: int | tf.Tensor) -> tf.Tensor:
        records = self._records(self._train_file)
        return records.take(samples).batch(samples).get_single_element()

    def training_loader(self, held: tf.Tensor) -> Loader:
        return lambda indices, seeds: self._decode(tf.gather(held, indices))

    def test_batches(
        self, start: tf.Tensor, stop: tf.Tensor, batch: int | tf.Tensor, parallel_calls: int
    ) -> tf.data.Dataset:
        records = self._records(self._test_file).skip(start).take(stop - start)
        return records.batch(batch).map(self._decode, num_parallel_calls=parallel_calls)

    def validation_batches(
        self, numbers: tf.Tensor, batch: int | tf.Tensor, parallel_calls: int
    ) -> tf.data.Dataset:
        records = elements_at(numbers, self._records(self._train_file))
        return records.batch(batch).map(self._decode, num_parallel_calls=parallel_calls)

    def _records(self, path: Path) -> tf.data.Dataset:
        return tf.data.FixedLengthRecordDataset(str(path), sum(part.bytes for part in self._parts))

    def _decode(self, records: tf.Tensor) -> tuple[Any, Any]:
        """From records, string [B], to (x, y)."""
        content = tf.io.decode_raw(records, tf.uint8)
        content = tf.reshape(content, [-1, sum(part.bytes for part in self._parts)])
        tensors, begin = [], 0
        for part in self._parts:
            tensors.append(_tensor(content[:, begin : begin + part.bytes], part))
            begin += part.bytes
        return tf.nest.pack_sequence_as(self._structure, tensors)


def _tensor(content: tf.Tensor, part: Part) -> tf.Tensor:
    """From bytes, uint8 [B, bytes], to numbers [B, *shape]."""
    dtype = tf.as_dtype(part.dtype)
    if dtype == tf.bool:
        values = tf.cast(content, tf.bool)
    elif dtype.size == 1:
        values = tf.bitcast(content, dtype)
    else:
        values = tf.bitcast(tf.reshape(content, [-1, part.bytes // dtype.size, dtype.size]), dtype)
    return tf.reshape(values, [-1, *part.shape])


def _as_arrays(value: Any, where: str) -> Any:
    """Returns the same structure of dicts and tuples with arrays in it."""
    if isinstance(value, dict):
        return {key: _as_arrays(part, f"{where}[{key!r}]") for key, part in value.items()}
    if isinstance(value, tuple):
        return tuple(_as_arrays(part, f"{where}[{place}]") for place, part in enumerate(value))
    try:
        return np.asanyarray(value)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{where} is not an array of numbers ({error}); pad sequences of different lengths"
        ) from error


def _parts(value: Any, where: str) -> Any:
    """Returns the same structure with a `Part` for each array."""
    if isinstance(value, dict):
        return {key: _parts(part, f"{where}[{key!r}]") for key, part in value.items()}
    if isinstance(value, tuple):
        return tuple(_parts(part, f"{where}[{place}]") for place, part in enumerate(value))
    return part_of(value, where)


def _checked_weights(value: Any, samples: int) -> np.ndarray:
    """Returns weights of the training samples, float32."""
    if isinstance(value, dict | tuple):
        raise UserError(f"sample_weight is a {type(value).__name__}; give one array of numbers")
    array = _as_arrays(value, "sample_weight")
    part_of(array, "sample_weight")
    if len(array) != samples:
        raise UserError(
            f"sample_weight has {len(array)} values for {samples} training samples; give one for "
            "each"
        )
    return array.astype(np.float32)


def _common_length(x: Any, y: Any, split: str) -> int:
    lengths = {
        f"{letter}_{split}": sorted({len(array) for array in tf.nest.flatten(value)})
        for letter, value in (("x", x), ("y", y))
    }
    for where, found in lengths.items():
        if not found:
            raise UserError(f"{where} is an empty structure; give at least one array")
    every = sorted({length for found in lengths.values() for length in found})
    if len(every) > 1:
        counts = ", ".join(f"{w} has {' and '.join(map(str, f))}" for w, f in lengths.items())
        raise UserError(f"{counts} samples; give as many samples of x as of y")
    return every[0]


def _text(parts: Any) -> str:
    if isinstance(parts, Part):
        return f"{parts.dtype} [samples{''.join(f', {size}' for size in parts.shape)}]"
    if isinstance(parts, dict):
        return "{" + ", ".join(f"{key}: {_text(part)}" for key, part in parts.items()) + "}"
    return "(" + ", ".join(map(_text, parts)) + ")"
