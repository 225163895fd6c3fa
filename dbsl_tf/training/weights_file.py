"""Checks files of Keras before anything in them is believed.

A file of a few bytes can declare arrays of terabytes, or unpack to gigabytes. What one may hold
follows from the model that it is for.
"""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

from dbsl_tf.common.files import TABLE, open_regular

# A file also has what an optimizer keeps of each weight, none of them larger than float64.
_BYTES_PER_WEIGHT = 64
# In a .keras file.
_WEIGHTS = "model.weights.h5"
_CONFIGURATION = "config.json"


def most_bytes(model: Any) -> int:
    """Returns how large a file of the weights of a model may be, unpacked."""
    weights = sum(math.prod(weight.shape) for weight in model.weights)
    return TABLE + _BYTES_PER_WEIGHT * weights


def check_weights_file(path: Path, most: int) -> None:
    """Checks a .weights.h5 file.

    Args:
        path: the file.
        most: bytes that it may hold, from `most_bytes`.

    Raises:
        OSError: it cannot be read, is not a regular file, or is larger.
        ValueError: it declares more, or has what Keras does not write.
    """
    with open_regular(path, most) as file:
        _check_arrays(file, most)


def check_model_file(path: Path, most: int) -> None:
    """Checks a .keras file; arguments and errors as for `check_weights_file`.

    Raises:
        zipfile.BadZipFile: it is damaged.
    """
    with open_regular(path, most) as file, zipfile.ZipFile(file) as archive:
        members = {member.filename: member.file_size for member in archive.infolist()}
        for name in (_CONFIGURATION, _WEIGHTS):
            if name not in members:
                raise ValueError(f"it has no {name}")
        unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > most:
            raise ValueError(f"it unpacks to {unpacked:,} bytes, more than {most:,}")
        if members[_CONFIGURATION] > TABLE:
            raise ValueError(f"its {_CONFIGURATION} has more than {TABLE:,} bytes")
        _check_arrays(io.BytesIO(archive.read(_WEIGHTS)), most)


def _check_arrays(file: BinaryIO, most: int) -> None:
    """Checks a file of HDF5, without reading an array."""
    # Imported here because most runs begin with fresh weights.
    import h5py

    links: list[tuple[str, Any]] = []
    with h5py.File(file, "r") as content:
        content.visititems_links(lambda name, link: links.append((name, link)))
        declared = sum(_declared_bytes(content, name, link) for name, link in links)
    if declared > most:
        raise ValueError(f"its arrays have {declared:,} bytes, more than {most:,}")


def _declared_bytes(content: Any, name: str, link: Any) -> int:
    """Returns the memory that reading what a link leads to would take; 0 for a group."""
    import h5py

    if not isinstance(link, h5py.HardLink):
        raise ValueError(f"its {name} is a link")
    found = content[name]
    if h5py.h5o.get_info(found.id).rc != 1:
        raise ValueError(f"its {name} has several names")
    if not isinstance(found, h5py.Dataset):
        return 0
    # A chunk of little that is compressed can unpack to anything.
    if found.external or found.is_virtual or found.id.get_create_plist().get_nfilters():
        raise ValueError(f"its {name} is compressed, or lies elsewhere")
    if found.dtype.hasobject or found.shape is None:
        raise ValueError(f"its {name} is not an array of numbers")
    numbers = max(math.prod(found.shape), math.prod(found.chunks or ()))
    return numbers * found.dtype.itemsize
