"""The file of a checkpoint: an .npz of plain arrays with a checksum, read without trusting it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbsl_tf.common.checksums import add_archive_checksum, verify_archive
from dbsl_tf.common.files import CHECKPOINT, open_regular

if TYPE_CHECKING:
    import numpy as np

PROGRESS = "progress"
# Those of format 1 have no checksum.
_WITHOUT_CHECKSUM, _FORMAT = 1, 2
_LOCAL_HEADER = 30  # bytes before the name of a member
_MOST_MEMBERS = 100_000


def write_checkpoint(
    path: Path, progress: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """Writes JSON values and arrays.

    Raises:
        OSError: the file cannot be written.
    """
    import numpy as np

    text = json.dumps({"format": _FORMAT, **progress})
    content: dict[str, Any] = {PROGRESS: np.array(text), **arrays}
    np.savez(path, **content)
    add_archive_checksum(path)


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Reads what `write_checkpoint` wrote.

    Nothing is unpickled, and no more memory is used than the file has bytes.

    Raises:
        ValueError: the checksum does not match, or this is not a checkpoint.
        Exception: nearly any, if the file is damaged.
    """
    with open_regular(path, CHECKPOINT) as file:
        size = file.seek(0, io.SEEK_END)
        has_checksum = verify_archive(file, size)
        arrays = _arrays(file, size)
    progress = json.loads(str(arrays.pop(PROGRESS)))
    written = progress.pop("format")
    if written not in (_WITHOUT_CHECKSUM, _FORMAT):
        raise ValueError(f"its format is {written}; known are {_WITHOUT_CHECKSUM} and {_FORMAT}")
    if written != _WITHOUT_CHECKSUM and not has_checksum:
        raise ValueError("its checksum is missing")
    return progress, arrays


def _arrays(file: Any, size: int) -> dict[str, np.ndarray]:
    """Returns the members of the archive, which fill it without a gap and are not compressed."""
    found = {}
    with zipfile.ZipFile(file) as archive:
        members = sorted(archive.infolist(), key=lambda member: member.header_offset)
        if len(members) > _MOST_MEMBERS:
            raise ValueError(f"it has {len(members)} arrays")
        place = 0
        for member in members:
            if member.header_offset != place or member.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{member.filename!r:.40} is not where it was written")
            place = _end_of(file, member)
            if place > size:
                raise ValueError(f"{member.filename!r:.40} is longer than the file")
            name = member.filename.removesuffix(".npy")
            if name in found or not member.filename.endswith(".npy"):
                raise ValueError(f"{member.filename!r:.40} is not an array, or occurs twice")
            found[name] = _array(name, archive.read(member))
        if place != archive.start_dir:
            raise ValueError("there is something after its last array")
    return found


def _end_of(file: Any, member: zipfile.ZipInfo) -> int:
    file.seek(member.header_offset)
    header = file.read(_LOCAL_HEADER)
    name, extra = (int.from_bytes(header[place : place + 2], "little") for place in (26, 28))
    return member.header_offset + _LOCAL_HEADER + name + extra + member.compress_size


def _array(name: str, content: bytes) -> np.ndarray:
    """Returns the array in the bytes of a .npy file, which its header describes in full."""
    import numpy as np
    from numpy.lib import format as npy

    stream = io.BytesIO(content)
    if npy.read_magic(stream) != (1, 0):
        raise ValueError(f"{name} is of an unknown version")
    shape, fortran_order, dtype = npy.read_array_header_1_0(stream)
    if dtype.kind != "U" if name == PROGRESS else dtype != np.float32:
        raise ValueError(f"{name} is of type {dtype}")
    if min(shape, default=0) < 0:
        raise ValueError(f"{name} has the shape {shape}")
    data = content[stream.tell() :]
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran_order else "C")
    return array.copy()
