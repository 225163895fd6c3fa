"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from dbsl_tf.common.errors import UserError


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Has `write` write a file beside `path`, then puts it in its place; makes its folder.

    The content is on the disk before the name is, so `path` is never half a file, also after a
    power failure. The name that `write` is given ends like that of `path`.

    Raises:
        UserError: it cannot be written. What was there before is left as it was.
    """
    partial = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        _make_folder(path.parent)
        try:
            write(partial)
            _flush(partial)
            os.replace(partial, path)
            _flush(path.parent)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror or error}); free some space, correct the "
            "permissions, or give another file"
        ) from error


def write_whole_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8, see `write_whole`."""
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def check_writable(path: Path) -> None:
    """Checks where `write_whole` is going to write, before anything long is begun.

    Raises:
        UserError: it cannot be written there.
    """
    try:
        if path.is_dir():
            raise UserError(f"{path}: is a folder; give the name of a file")
        folder = next(folder for folder in path.absolute().parents if folder.exists())
        allowed = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); give another") from error
    if not allowed:
        raise UserError(f"{path}: cannot be written, as {folder} does not allow it; give another")


def _make_folder(folder: Path) -> None:
    """Makes a folder and those above it; their names are on the disk."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _flush(folder.parent)


def _flush(path: Path) -> None:
    """Has the system write a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
