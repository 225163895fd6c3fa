"""The control groups of this process, by which containers and job schedulers limit it (Linux)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

# Where Linux mounts them: version 2, and a controller of version 1.
MOUNT = "/sys/fs/cgroup"
OWN_GROUPS = "/proc/self/cgroup"


def folders(controller: str, root: Path = Path("/")) -> Iterator[Path]:
    """Yields the folders of the groups that limit this process, from the root group down.

    Some may not exist: inside a container, paths may be those of the host.

    Args:
        controller: such as "cpu".
        root: the folder that holds /proc and /sys.
    """
    try:
        lines = (root / OWN_GROUPS[1:]).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        match = re.fullmatch(r"\d+:([^:]*):(/.*)", line)
        if match is None:
            continue
        if match[1] == "":
            mount = MOUNT
        elif controller in match[1].split(","):
            mount = f"{MOUNT}/{controller}"
        else:
            continue
        folder = root / mount[1:]
        yield folder
        for part in PurePosixPath(match[2]).parts[1:]:
            folder /= part
            yield folder


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Returns how many cores' time this process may use; None if that is not limited.

    Args:
        root: the folder that holds /proc and /sys.
    """
    quotas = [
        quota
        for folder in folders("cpu", root)
        for quota in (
            _quotient(_words(folder / "cpu.max")),
            _quotient(_words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")),
        )
        if quota is not None
    ]
    return min(quotas, default=None)


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return []


def _quotient(words: list[str]) -> float | None:
    """Returns quota / period; None where there is no limit, which is written "max" or -1."""
    if len(words) != 2 or not all(word.isdecimal() for word in words) or int(words[1]) == 0:
        return None
    return int(words[0]) / int(words[1])
