"""Folders that appear whole or not at all, also with several processes and kills."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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
    # Hardly any command makes a folder.
    from filelock import FileLock, Timeout

    path = target.parent / f".{target.name}.lock"
    # A soft lock would outlive a process that was killed.
    lock = FileLock(path, fallback_to_soft=False)
    try:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            print(
                f"Waiting for another process that is creating {target}",
                file=sys.stderr,
                flush=True,
            )
            lock.acquire()
    except OSError:
        pass
    try:
        yield lock.is_locked
    finally:
        # Still held: whoever waits for it sees that the file is gone and makes another.
        path.unlink(missing_ok=True)
        lock.release()
