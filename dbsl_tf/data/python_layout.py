"""Reads the pickled layout of CIFAR without executing anything, and writes record files."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dbsl_tf.data.catalogue import RecordDataset
from dbsl_tf.errors import UserError

if TYPE_CHECKING:
    import numpy as np


def largest_pickle(samples: int) -> int:
    """Returns the largest size in bytes admitted for a pickled batch of `samples` samples.

    Official files need about 3.1 kB a sample. The bound keeps a foreign file out of memory.
    """
    return 65_536 + samples * 8_192


class _PickledType:
    """Stands for numpy.dtype: holds what the pickle says, never becomes a dtype by itself."""

    def __init__(self, code: object = None, *_: object) -> None:
        self.code = code.decode("latin1") if isinstance(code, bytes) else code

    def __setstate__(self, state: object) -> None:
        """Byte order and fields have no meaning for the only type admitted, uint8."""


class _PickledArray:
    """Stands for numpy.ndarray: holds the pickled state until `to_array` has checked it."""

    shape: object = ()
    type: object = None
    fortran_order: object = False
    content: object = b""

    def __setstate__(self, state: object) -> None:
        _, self.shape, self.type, self.fortran_order, self.content = state

    def to_array(self) -> np.ndarray:
        """Returns the uint8 array; raises ValueError when the state describes no such array."""
        import numpy as np

        if not isinstance(self.type, _PickledType) or self.type.code not in ("u1", "|u1", "uint8"):
            raise ValueError("the pixel array is not of type uint8")
        if not isinstance(self.content, (bytes, bytearray)):
            raise ValueError("the pixel array holds no plain bytes")
        array = np.frombuffer(self.content, np.uint8)
        return array.reshape(self.shape, order="F" if self.fortran_order else "C")


def _reconstruct(*_: object) -> _PickledArray:
    return _PickledArray()


def _from_buffer(content: object, type_: object, shape: object, order: object) -> _PickledArray:
    array = _PickledArray()
    array.__setstate__((1, shape, type_, order == "F", content))
    return array


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"the encoding {encoding!r} is not admitted")
    return text.encode("latin1")


# What the pickles of the official files, and of copies written by newer versions of Python and
# numpy, refer to. Each name gets an inert stand-in; no name yields the real object.
_ADMITTED = {
    ("_codecs", "encode"): _encode,
    ("numpy", "dtype"): _PickledType,
    ("numpy", "ndarray"): _PickledArray,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
}


class RefusedPickle(Exception):
    """The pickle refers to something other than plain containers, numbers, text and arrays."""


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise RefusedPickle(f"{module}.{name}") from None


def load_batch(path: Path, samples: int, label_keys: tuple[str, ...]) -> np.ndarray:
    """Reads one pickled batch of CIFAR.

    Args:
        path: the pickle file.
        samples: how many samples it must hold.
        label_keys: keys of the label lists, in the order wanted.

    Returns:
        The records, uint8 [samples, len(label_keys) + 3072].

    Raises:
        UserError: the file cannot be read, is no such batch, or its pickle refers to anything
            but plain containers, numbers, text and numpy arrays. Nothing in it is executed.
    """
    official = "put the official file in its place"
    try:
        if path.stat().st_size > largest_pickle(samples):
            raise UserError(
                f"{path}: {path.stat().st_size} bytes, far more than {samples} samples need; "
                f"{official}."
            )
        with open(path, "rb") as file:
            content = _PlainUnpickler(file, encoding="bytes").load()
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
        raise UserError(f"{path}: no readable pickle ({error}); {official}.") from error
    try:
        return _records(content, samples, label_keys)
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: not a batch of CIFAR ({error}); {official}.") from error


def _records(content: object, samples: int, label_keys: tuple[str, ...]) -> np.ndarray:
    import numpy as np

    if not isinstance(content, Mapping):
        raise ValueError("the pickle holds no dictionary")
    batch = {
        key.decode() if isinstance(key, bytes) else key: value for key, value in content.items()
    }
    for key in ("data", *label_keys):
        if key not in batch:
            raise ValueError(f"the key {key!r} is missing")
    if not isinstance(batch["data"], _PickledArray):
        raise ValueError("'data' is no array")
    pixels = batch["data"].to_array()
    if pixels.shape != (samples, 3072):
        raise ValueError(f"'data' has the shape {pixels.shape}, expected ({samples}, 3072)")
    columns = [_label_column(key, batch[key], samples) for key in label_keys]
    return np.concatenate([*columns, pixels], axis=1)


def _label_column(key: str, labels: object, samples: int) -> np.ndarray:
    import numpy as np

    if not isinstance(labels, list) or len(labels) != samples:
        raise ValueError(f"{key!r} is no list of {samples} labels")
    return np.frombuffer(bytes(labels), np.uint8)[:, None]


def convert_python_layout(spec: RecordDataset, source: Path, target: Path) -> None:
    """Writes the record files of `spec` in `target` from the pickled files in `source`.

    Raises:
        UserError: a pickled file is missing, refused or no batch of the data set.
        OSError: `target` cannot be written.
    """
    layout = spec.python_layout
    for pickled, written, samples in (
        (layout.train_files, spec.train_files, spec.train_records_per_file),
        (layout.test_files, spec.test_files, spec.test_records_per_file),
    ):
        for old, new in zip(pickled, written, strict=True):
            load_batch(source / old, samples, layout.label_keys).tofile(target / new)
