"""A disk of a few megabytes that a test can fill, as a mount in a namespace of its own."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import pytest

# What runs a shell command that may mount something, for itself alone; append the command.
MOUNTING = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
_MOUNT = 'mount -t tmpfs -o size="$0" tmpfs "$1" && echo mounted && exec cat'
_FILLER = "filler"


class SmallDisk:
    """An empty file system; skips the test where none can be mounted.

    Args:
        folder: an empty folder, where a process that holds the disk sees it.
        size: in bytes.

    Attributes:
        path: where every process sees it, until `remove`.
    """

    def __init__(self, folder: Path, size: int) -> None:
        skip_without_mounts()
        folder.mkdir()
        self._holder = subprocess.Popen(
            [*MOUNTING, _MOUNT, str(size), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "mounted\n"
        self.path = Path(f"/proc/{self._holder.pid}/root{folder}")

    def fill(self) -> None:
        """Leave no byte free."""
        with open(self.path / _FILLER, "ab", buffering=0) as file:
            for size in (1 << 16, 1):
                try:
                    while file.write(bytes(size)):
                        pass
                except OSError:
                    continue

    def free(self) -> None:
        """Remove what `fill` has written."""
        (self.path / _FILLER).unlink()

    def remove(self) -> None:
        """Give the disk up, with all that is on it."""
        self._holder.communicate()


@cache
def skip_without_mounts() -> None:
    """Skip where this process may not mount a file system for itself."""
    try:
        probe = [*MOUNTING, "mount -t tmpfs none /mnt"]
        subprocess.run(probe, check=True, capture_output=True, text=True)
    except (subprocess.SubprocessError, OSError) as error:
        reason = getattr(error, "stderr", None) or error
        pytest.skip(f"nothing can be mounted here: {reason}")
