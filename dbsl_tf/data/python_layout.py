"""Reads the pickled layout of CIFAR without executing anything, and writes record files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.files import read_bytes
from dbsl_tf.common.plain_pickle import PickledArray, PickledType, RefusedPickle, load_plain
from dbsl_tf.config.catalogue import RecordDataset

if TYPE_CHECKING:
    import numpy as np


def largest_pickle(samples: int) -> int:
    """Returns the largest size in bytes admitted for a pickled batch of `samples` samples.

    Official files need about 3.1 kB a sample. The bound avoids reading a foreign file into memory.
    """
    return 65_536 + samples * 8_192


def load_batch(path: Path, samples: int, label_keys: tuple[str, ...]) -> np.ndarray:
    """Reads one pickled batch of CIFAR.

    Args:
        path: the pickle file.
        samples: how many samples it must hold.
        label_keys: keys of the label lists, in the wanted order.

    Returns:
        The records, uint8 [samples, len(label_keys) + 3072].

    Raises:
        UserError: the file cannot be read, is not such a batch, or its pickle refers to anything
            but plain containers, numbers, text and numpy arrays. Nothing in it is executed.
    """
    official = "put the official file in its place"
    try:
        if path.stat().st_size > largest_pickle(samples):
            raise UserError(
                f"{path}: {path.stat().st_size} bytes, far more than {samples} samples need; "
                f"{official}."
            )
        content = load_plain(read_bytes(path, largest_pickle(samples)), encoding="bytes")
    except RefusedPickle as error:
        raise UserError(
            f"{path}: the pickle refers to {error}, which data never needs; it was not executed. "
            f"Do not trust the file, {official}."
        ) from error
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; {official}.") from error
    except UserError:
        raise
    except Exception as error:  # A corrupt pickle can raise nearly any exception.
        raise UserError(f"{path}: not a readable pickle ({error}); {official}.") from error
    try:
        return _records(content, samples, label_keys)
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: not a batch of CIFAR ({error}); {official}.") from error


def _records(content: object, samples: int, label_keys: tuple[str, ...]) -> np.ndarray:
    import numpy as np

    if not isinstance(content, Mapping):
        raise ValueError("the pickle does not hold a dictionary")
    batch = {
        key.decode() if isinstance(key, bytes) else key: value for key, value in content.items()
    }
    for key in ("data", *label_keys):
        if key not in batch:
            raise ValueError(f"the key {key!r} is missing")
    pixels = _pixels(batch["data"])
    if pixels.shape != (samples, 3072):
        raise ValueError(f"'data' has the shape {pixels.shape}, expected ({samples}, 3072)")
    columns = [_label_column(key, batch[key], samples) for key in label_keys]
    return np.concatenate([*columns, pixels], axis=1)


def _pixels(data: object) -> np.ndarray:
    if not isinstance(data, PickledArray):
        raise ValueError("'data' is not an array")
    if not (isinstance(data.type, PickledType) and data.type.code in ("u1", "|u1", "uint8")):
        raise ValueError("the pixel array is not of type uint8")
    return data.to_array()


def _label_column(key: str, labels: object, samples: int) -> np.ndarray:
    import numpy as np

    if not isinstance(labels, list) or len(labels) != samples:
        raise ValueError(f"{key!r} is not a list of {samples} labels")
    return np.frombuffer(bytes(labels), np.uint8)[:, None]


def convert_python_layout(spec: RecordDataset, source: Path, target: Path) -> None:
    """Writes the record files of `spec` in `target` from the pickled files in `source`.

    Raises:
        UserError: a pickled file is missing, refused or not a batch of the data set.
        OSError: `target` cannot be written.
    """
    layout = spec.python_layout
    assert layout is not None
    for pickled, written, samples in (
        (layout.train_files, spec.train_files, spec.train_records_per_file),
        (layout.test_files, spec.test_files, spec.test_records_per_file),
    ):
        for old, new in zip(pickled, written, strict=True):
            load_batch(source / old, samples, layout.label_keys).tofile(target / new)
