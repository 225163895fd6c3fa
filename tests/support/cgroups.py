"""Control groups, as files in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def write_groups(root: Path, own: str, files: Mapping[str, str]) -> Path:
    """Writes /proc/self/cgroup, and files below /sys/fs/cgroup by name; returns the folder."""
    for name, content in (
        ("proc/self/cgroup", own),
        *((f"sys/fs/cgroup/{name}", text) for name, text in files.items()),
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    return root
