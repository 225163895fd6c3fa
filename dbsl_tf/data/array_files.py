"""Arrays in files: every sample is a record of the bytes of all its parts."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.files import WRITTEN_BY_HAND, read_text, write_whole, write_whole_text

_BLOCK_BYTES = 64 << 20
_DESCRIPTION = "arrays.json"
# Of numpy: what TensorFlow has too.
_TYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
)


@dataclass(frozen=True)
class Part:
    """One of the arrays of a sample.

    Attributes:
        dtype: its type, a name of numpy and TensorFlow.
        shape: of one sample, without the number of samples.
    """

    dtype: str
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Of one sample."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


def part_of(array: np.ndarray, where: str) -> Part:
    """Returns what the samples of an array are.

    Args:
        array: [samples, …].
        where: it comes from, such as `x_train`.

    Raises:
        UserError: it cannot be written, or has no samples.
    """
    if array.dtype.name not in _TYPES:
        hint = {
            "O": "convert it to numbers; pad sequences of different lengths",
            "U": "turn text into numbers first, as keras.layers.TextVectorization does",
            "S": "turn text into numbers first, as keras.layers.TextVectorization does",
        }.get(array.dtype.kind, "convert it to float32")
        raise UserError(f"{where} has the type {array.dtype.name}; {hint}")
    if array.ndim == 0:
        raise UserError(f"{where} is a single value; its first dimension must be that of samples")
    if array.size == 0:
        raise UserError(f"{where} has the shape {list(array.shape)} and so no values; give some")
    return Part(array.dtype.name, array.shape[1:])


class ArrayFile(NamedTuple):
    """A file of records, and the SHA-256 of its content."""

    path: Path
    sha256: str


def write_arrays(folder: Path, splits: Mapping[str, Sequence[np.ndarray]]) -> dict[str, ArrayFile]:
    """Writes arrays as one file of records a split, unless the files are there already.

    Beside them lies arrays.json, with types, shapes and the files' SHA-256.

    Args:
        folder: made where there is none.
        splits: arrays of equal length, by the name of the split.

    Returns:
        The file of each split.

    Raises:
        UserError: they cannot be written.
    """
    description = folder / _DESCRIPTION
    files = array_files(folder, splits)
    kept = _read(description)
    content = {}
    for split, arrays in splits.items():
        path, sha256 = files[split]
        content[split] = {**_facts(arrays), "sha256": sha256}
        if kept.get(split) != content[split] or not _has_size_of(path, arrays):
            # While a file changes no description vouches for it.
            _forget(description)
            write_whole(path, partial(_write, arrays))
    if content != kept or not description.exists():
        write_whole_text(description, json.dumps(content, indent=2) + "\n")
    return files


def array_files(folder: Path, splits: Mapping[str, Sequence[np.ndarray]]) -> dict[str, ArrayFile]:
    """Returns the files that `write_arrays` writes, without writing anything."""
    return {
        split: ArrayFile(folder / f"{split}.bin", _digest(arrays))
        for split, arrays in splits.items()
    }


def _facts(arrays: Sequence[np.ndarray]) -> dict[str, Any]:
    parts = [part_of(array, "an array") for array in arrays]
    return {
        "samples": len(arrays[0]),
        "parts": [{"dtype": part.dtype, "shape": list(part.shape)} for part in parts],
    }


def _has_size_of(path: Path, arrays: Sequence[np.ndarray]) -> bool:
    try:
        return path.stat().st_size == sum(array.nbytes for array in arrays)
    except OSError:
        return False


def _write(arrays: Sequence[np.ndarray], path: Path) -> None:
    with open(path, "wb") as file:
        for block in _blocks(arrays):
            file.write(block.data)


def _blocks(arrays: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """The records, some at a time, uint8 [records, bytes]; arrays may be larger than memory."""
    sample_bytes = sum(part_of(array, "").bytes for array in arrays)
    count = max(1, _BLOCK_BYTES // sample_bytes)
    for start in range(0, len(arrays[0]), count):
        rows = [array[start : start + count] for array in arrays]
        little = [np.ascontiguousarray(row, row.dtype.newbyteorder("<")) for row in rows]
        flat = [row.reshape(len(row), -1).view(np.uint8) for row in little]
        yield np.concatenate(flat, axis=1) if len(flat) > 1 else flat[0]


def _digest(arrays: Sequence[np.ndarray]) -> str:
    hashed = hashlib.sha256()
    for block in _blocks(arrays):
        hashed.update(block.data)
    return hashed.hexdigest()


def _forget(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be replaced ({error.strerror}); correct the permissions"
        ) from error


def _read(path: Path) -> dict[str, Any]:
    """What is said of the files that are there; nothing where that cannot be read."""
    try:
        content = json.loads(read_text(path, WRITTEN_BY_HAND))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
