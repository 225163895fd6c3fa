"""TFRecord files: which there are, and how many records they hold."""

from __future__ import annotations

import glob
import gzip
import os
import struct
import zlib
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.progress import LateProgress

# A file is uint64 length, uint32 checksum, the record, uint32 checksum, over and over.
_LENGTH = struct.Struct("<QI")
_CHECKSUM_BYTES = 4
# A worker takes the memory for a record before it reads it. No tf.train.Example is larger.
_LARGEST_RECORD = (1 << 31) - 1
_GZIP_SUFFIXES = (".gz", ".gzip")


@dataclass(frozen=True)
class RecordFile:
    """A TFRecord file.

    Attributes:
        path: absolute.
        records: how many it holds.
    """

    path: str
    records: int

    @property
    def compression(self) -> str:
        """What TensorFlow calls it; by the name of the file."""
        return "GZIP" if self.path.endswith(_GZIP_SUFFIXES) else ""


def find_files(given: str | os.PathLike | Iterable[str | os.PathLike], where: str) -> list[Path]:
    """Returns the files that are named, absolute, in the order given.

    Args:
        given: a path, or several; those with *, ? or [ are patterns, their matches sorted.
        where: they are given, such as `train_files`.

    Raises:
        UserError: there are none.
    """
    names = [given] if isinstance(given, (str, os.PathLike)) else list(given)
    found: list[Path] = []
    for name in names:
        name = os.fspath(name)
        matches = sorted(glob.glob(name)) if glob.has_magic(name) else [name]
        if not matches:
            raise UserError(f"{where}: no file matches {name}; give the paths of TFRecord files")
        found += [Path(match).absolute() for match in matches]
    if not found:
        raise UserError(f"{where} names no file; give the paths of TFRecord files")
    return found


def count_records(paths: list[Path]) -> tuple[RecordFile, ...]:
    """Counts the records of files, with progress from two seconds on; their content is not read.

    Raises:
        UserError: one cannot be read, or is not a TFRecord file.
    """
    sizes = [_size(path) for path in paths]
    counted, done = [], 0
    with LateProgress("bytes", lines=True) as progress, ExitStack() as stack:
        tell = progress.of("counting records", sum(sizes))
        for path, size in zip(paths, sizes, strict=True):
            compressed = path.name.endswith(_GZIP_SUFFIXES)
            raw = stack.enter_context(_opened(path))
            file = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if compressed else raw
            records = 0
            while _skip_record(file, path, None if compressed else size):
                records += 1
                if records % 1024 == 0:
                    tell(done + raw.tell())
            done += size
            tell(done)
            stack.close()
            counted.append(RecordFile(str(path), records))
    return tuple(counted)


def _skip_record(file: BinaryIO, path: Path, size: int | None) -> bool:
    """Goes beyond the next record; False at the end of the file.

    Args:
        file: at the beginning of a record.
        path: its name.
        size: of the file in bytes; None: it is compressed.
    """
    try:
        head = file.read(_LENGTH.size)
        if not head:
            return False
        if len(head) == _LENGTH.size and (length := _LENGTH.unpack(head)[0]) <= _LARGEST_RECORD:
            rest = length + _CHECKSUM_BYTES
            if size is not None:
                if file.tell() + rest <= size:
                    file.seek(rest, os.SEEK_CUR)
                    return True
            elif _read_through(file, rest):
                return True
    except (OSError, EOFError, zlib.error) as error:
        text = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be read as TFRecord file ({text})") from error
    kind = "a GZIP-compressed" if size is None else "a"
    raise UserError(
        f"{path}: not {kind} TFRecord file, or one that is cut short or has a record of 2 GiB; "
        "write it again, or give another (names of compressed files end in .gz)"
    )


def _read_through(file: BinaryIO, count: int) -> bool:
    while count > 0:
        read = len(file.read(min(count, 1 << 20)))
        if not read:
            return False
        count -= read
    return True


def _opened(path: Path) -> BinaryIO:
    try:
        return open(path, "rb")
    except OSError as error:
        raise _unreadable(path, error) from error


def _size(path: Path) -> int:
    try:
        if not path.is_file():
            os.stat(path)
            raise UserError(f"{path}: not a file; give the paths of TFRecord files")
        return path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> UserError:
    return UserError(f"{path}: {error.strerror or error}; give the paths of TFRecord files")
