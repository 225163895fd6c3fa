"""Reads files without trusting them, and writes files that appear whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TextIO

from dbsl_tf.common.errors import UserError

# The largest files that are read, in bytes: those that people write, tables and objects that
# programs write, histories, checkpoints.
WRITTEN_BY_HAND = 1 << 20
TABLE = 1 << 26
HISTORY = 1 << 30
CHECKPOINT = 1 << 38
_READ_AT_ONCE = 1 << 20
_NO_FILE = "it is a pipe, a socket or a device, not a file"


def open_regular(path: Path | str, most_bytes: int) -> BinaryIO:
    """Opens a regular file for reading; never a pipe or device, which could block for ever.

    Args:
        path: the file.
        most_bytes: the largest size that it may have.

    Raises:
        OSError: it cannot be opened, is not a regular file, or is larger.
        ValueError: no file can have this name.
    """
    # Opening a pipe without a writer would block.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, _NO_FILE, str(path))
        if status.st_size > most_bytes:
            raise _too_large(path, most_bytes)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bytes(path: Path | str, most_bytes: int) -> bytes:
    """Returns the content of a file; raises the errors of `open_regular`."""
    with open_regular(path, most_bytes) as file:
        content = bytearray()
        # Files of /proc do not report their size, and `read` takes memory for all that it may read.
        while part := file.read(_READ_AT_ONCE):
            content += part
            if len(content) > most_bytes:
                raise _too_large(path, most_bytes)
    return bytes(content)


def read_text(
    path: Path | str, most_bytes: int, encoding: str = "utf-8", errors: str = "strict"
) -> str:
    """Returns the text in a file, with line feeds at the ends of lines.

    Raises:
        OSError, ValueError: as for `open_regular`.
        UnicodeDecodeError: it is not UTF-8 text.
    """
    content = io.BytesIO(read_bytes(path, most_bytes))
    return io.TextIOWrapper(content, encoding=encoding, errors=errors).read()


def open_to_append(path: Path) -> TextIO:
    """Opens a text file for appending; creates it if it does not exist.

    Raises:
        OSError: it cannot be opened, or is not a regular file.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        # It is a pipe that nobody reads from.
        if error.errno == errno.ENXIO:
            raise OSError(errno.EINVAL, _NO_FILE, str(path)) from None
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, _NO_FILE, str(path))
        return os.fdopen(descriptor, "a", encoding="utf-8")
    except BaseException:
        os.close(descriptor)
        raise


def write_whole(path: Path, write: Callable[[Path], object], durable: bool = True) -> None:
    """Calls `write` with the path of a temporary file, then moves that file to `path`.

    The content is on the disk before the name is, so `path` is never half a file, even after a
    power failure. The temporary file lies beside `path`, whose folder is made if needed, and has
    the same suffix.

    Args:
        path: the file.
        write: writes the file that it is given.
        durable: whether to wait for the disk; without that, a power failure may leave an empty or
            an earlier file, and no folder is made.

    Raises:
        UserError: it cannot be written. An earlier file at `path` is left unchanged.
    """
    partial = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        if durable:
            _make_folder(path.parent)
        try:
            # A pipe may have this name, and writing to it would block.
            partial.unlink(missing_ok=True)
            write(partial)
            if durable:
                _flush(partial)
            os.replace(partial, path)
            if durable:
                _flush(path.parent)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror or error}); free some space, correct the "
            "permissions, or give another file"
        ) from error


def write_whole_text(path: Path, text: str, durable: bool = True) -> None:
    """Writes `text` as UTF-8; see `write_whole`.

    Halves of surrogate pairs, which JSON can escape and UTF-8 cannot encode, become escapes.
    """
    content = text.encode(errors="backslashreplace")
    write_whole(path, lambda partial: partial.write_bytes(content), durable)


def check_writable(path: Path) -> None:
    """Checks that `write_whole` can write `path`, before a long computation begins.

    Raises:
        UserError: it cannot be written.
    """
    try:
        if path.is_dir():
            raise UserError(f"{path} is a folder; give the name of a file")
        folder = next(folder for folder in path.absolute().parents if folder.exists())
        allowed = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); give another") from error
    if not allowed:
        raise UserError(f"{path} cannot be written, as {folder} does not allow it; give another")


def _too_large(path: Path | str, most_bytes: int) -> OSError:
    return OSError(errno.EFBIG, f"it has more than {most_bytes:,} bytes", str(path))


def _make_folder(folder: Path) -> None:
    """Makes a folder and its parents, and flushes their names to the disk."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _flush(folder.parent)


def _flush(path: Path) -> None:
    """Flushes a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
