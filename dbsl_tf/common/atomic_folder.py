"""Folders that appear whole or not at all, also with several processes and kills."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_PARTIAL_SUFFIX = ".partial"


def make_folder(target: Path, fill: Callable[[Path], None]) -> None:
    """Makes `target` and what `fill(folder)` writes, in one step as seen from outside.

    `fill` writes in a temporary folder beside `target`, which is renamed when complete. When
    several processes make the same folder, one does and the others wait for it; a killed process
    leaves only its temporary folder, which the next one removes. An existing `target` that is
    not empty is left as it is.

    Raises:
        OSError: the folder cannot be written, or whatever `fill` raises.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with _lock(target) as locked:
        if target.is_dir() and any(target.iterdir()):
            return
        if locked:
            _remove_abandoned(target)
        partial = target.parent / (
            f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}{_PARTIAL_SUFFIX}"
        )
        partial.mkdir()
        try:
            fill(partial)
            _rename(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _rename(partial: Path, target: Path) -> None:
    try:
        partial.rename(target)
    except OSError:
        # Without a lock another process may have been first; its folder is as good.
        if not (target.is_dir() and any(target.iterdir())):
            raise


def _remove_abandoned(target: Path) -> None:
    """Removes temporary folders of killed processes; the caller holds the lock."""
    for partial in target.parent.glob(f".{target.name}.*{_PARTIAL_SUFFIX}"):
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _lock(target: Path) -> Iterator[bool]:
    """Holds the lock of `target`, which the system frees when the process dies.

    Yields False on a file system without locks: the rename alone still keeps `target` whole.
    The lock's file is removed in the end.
    """
    path = target.parent / f".{target.name}.lock"
    while True:
        with open(path, "a", encoding="ascii") as lock_file:
            locked = _acquire(lock_file, target)
            if locked and not _is_at(lock_file, path):
                continue
            try:
                yield locked
            finally:
                # Still held: whoever waits for it sees that the file is gone and makes another.
                path.unlink(missing_ok=True)
            return


def _acquire(lock_file: TextIO, target: Path) -> bool:
    """Waits for the lock; returns False where the file system has none."""
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"Waiting for another process that makes {target}", file=sys.stderr, flush=True)
        fcntl.flock(lock_file, fcntl.LOCK_EX)
    except OSError:
        return False
    return True


def _is_at(lock_file: TextIO, path: Path) -> bool:
    """Returns whether the file that is open is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(lock_file.fileno()), path.stat())
    except FileNotFoundError:
        return False
