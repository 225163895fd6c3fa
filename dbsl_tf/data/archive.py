"""Extracts the needed files, and nothing else, from an official archive."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO, cast

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.files import open_regular

# What an archive may hold beside the wanted members, such as a text about them.
_OTHER_BYTES = 1 << 24


class _TooMuch(Exception):
    """An archive unpacks to more than it may."""


def _bounded(source: gzip.GzipFile, most: int) -> IO[bytes]:
    """Returns an object that reads from `source`, and no more than `most` bytes in all."""
    return cast("IO[bytes]", _Bounded(source, most))


class _Bounded:
    def __init__(self, source: gzip.GzipFile, most: int) -> None:
        self._source = source
        self._left = most

    def read(self, size: int) -> bytes:
        content = self._source.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise _TooMuch
        return content


def extract_members(archive: Path, wanted: Mapping[str, int], target: Path) -> None:
    """Extracts regular files from a gzipped tar into `target`, by their last path component.

    Args:
        archive: the .tar.gz file.
        wanted: the largest allowed size in bytes, by member path inside the archive.
        target: an existing folder. Names inside the archive never decide where a file is written.

    Raises:
        UserError: the archive is unreadable, unpacks to far more than the wanted members, or lacks
            one of them, or the member is a link, a device or too large.
        OSError: `target` cannot be written.
    """
    missing = dict(wanted)
    most = sum(wanted.values()) + _OTHER_BYTES
    try:
        with (
            open_regular(archive, most) as packed,
            gzip.GzipFile(fileobj=packed) as unpacked,
            tarfile.open(fileobj=(content := _bounded(unpacked, most)), mode="r|") as tar,
        ):
            for member in tar:
                name = str(PurePosixPath(member.name))
                if name not in missing:
                    continue
                _check_member(archive, member, missing.pop(name))
                source = tar.extractfile(member)
                assert source is not None  # It was checked to be a file.
                with source, open(target / PurePosixPath(name).name, "wb") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
                if not missing:
                    break
            # Only at its end does gzip show whether everything that was read is correct.
            while content.read(1 << 20):
                pass
    except _TooMuch:
        raise UserError(
            f"{archive}: unpacks to more than {most:,} bytes, far more than it should; delete it, "
            "or put the official file in its place."
        ) from None
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(
            f"{archive}: not a complete .tar.gz archive ({error}); delete it, or put the "
            "official file in its place."
        ) from error
    if missing:
        raise UserError(
            f"{archive}: holds no {sorted(missing)[0]}; delete it, or put the official file in "
            "its place."
        )


def _check_member(archive: Path, member: tarfile.TarInfo, maximum_bytes: int) -> None:
    if not member.isreg():
        fault = "is not a regular file"
    elif member.size > maximum_bytes:
        fault = f"has {member.size} bytes, expected at most {maximum_bytes}"
    else:
        return
    raise UserError(
        f"{archive}: the member {member.name} {fault}; delete the archive, or put the official "
        "file in its place."
    )
