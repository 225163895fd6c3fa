"""Takes the needed files, and nothing else, out of an official archive."""

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
        wanted: member path inside the archive → its largest admitted size in bytes.
        target: an existing folder. Names inside the archive never decide where a file goes.

    Raises:
        UserError: the archive is unreadable, lacks a wanted member, or has it as a link, a
            device or larger than admitted.
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
                assert source is not None  # It is a file: it was checked.
                with source, open(target / PurePosixPath(name).name, "wb") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
                if not missing:
                    break
            # Only at its end does gzip tell whether all that was read is what was written.
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
