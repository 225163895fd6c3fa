"""Folders that appear whole or not at all, even if several processes make them or one is killed."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dbsl_tf.common.printing import tell

_PARTIAL_SUFFIX = ".partial"


def make_folder(target: Path, fill: Callable[[Path], None]) -> None:
    """Makes the folder `target` with the content that `fill(folder)` writes, atomically.

    `fill` writes into a temporary folder beside `target`, which is renamed once it is complete. If
    several processes make the same folder, one of them does and the others wait. A killed process
    leaves only its temporary folder behind, which the next one removes. An existing `target` that
    is not empty is left unchanged.

    Raises:
        OSError: the folder cannot be written; exceptions of `fill` are passed on.
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
        # Without a lock another process may have been faster; its folder will do.
        if not (target.is_dir() and any(target.iterdir())):
            raise


def _remove_abandoned(target: Path) -> None:
    """Removes temporary folders of killed processes; the caller holds the lock."""
    for partial in target.parent.glob(f".{target.name}.*{_PARTIAL_SUFFIX}"):
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _lock(target: Path) -> Iterator[bool]:
    """Holds the lock of `target`, which the system releases when the process dies.

    Yields False on a file system without locks, where the rename alone keeps `target` whole.
    The lock's file is removed at the end.
    """
    # Imported here because few commands make a folder.
    from filelock import FileLock, Timeout

    path = target.parent / f".{target.name}.lock"
    # A soft lock would outlive a process that was killed.
    lock = FileLock(path, fallback_to_soft=False)
    try:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            tell(f"Waiting for another process that is creating {target}")
            lock.acquire()
    except OSError:
        pass
    try:
        yield lock.is_locked
    finally:
        # Still held: a process that waits for it sees that the file is gone and makes a new one.
        path.unlink(missing_ok=True)
        lock.release()
