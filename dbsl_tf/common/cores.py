"""The processor cores that this process may use."""

from __future__ import annotations

import os

from dbsl_tf.common.cgroups import cpu_quota


def available_cores() -> list[int]:
    """Returns the numbers of the cores this process may run on; all of them if that is unknown."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def core_count() -> int:
    """Returns how many cores this process can keep busy, at least 1.

    Containers are limited to certain cores, or to the time of so many.
    """
    cores, quota = len(available_cores()), cpu_quota()
    return cores if quota is None else max(1, min(cores, int(quota)))
