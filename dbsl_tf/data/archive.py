"""Extracts the needed files, and nothing else, from an official archive."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from dbsl_tf.common.errors import UserError


def extract_members(archive: Path, wanted: Mapping[str, int], target: Path) -> None:
    """Extracts regular files from a gzipped tar into `target`, by their last path component.

    Args:
        archive: the .tar.gz file.
        wanted: the largest allowed size in bytes, by member path inside the archive.
        target: an existing folder. Names inside the archive never decide where a file is written.

    Raises:
        UserError: the archive is unreadable or lacks a wanted member, or the member is a link, a
            device or too large.
        OSError: `target` cannot be written.
    """
    missing = dict(wanted)
    try:
        with tarfile.open(archive, "r:gz") as tar:
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
            while tar.fileobj.read(1 << 20):
                pass
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
