"""The processor cores that this process may use."""

from __future__ import annotations

import os


def available_cores() -> list[int]:
    """Returns the numbers of the cores this process may use; all of them if that is unknown."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
