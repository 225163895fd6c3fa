"""Reads inside a closure how much memory a worker process has used."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from dbsl_tf.common.cgroups import MOUNT, OWN_GROUPS
from dbsl_tf.engine.engine import Engine

# Lines of /proc/self/cgroup: of version 2, and of the memory controller of version 1.
_OF_MEMORY = r"\d+:(|([^:]*,)?memory(,[^:]*)?):/.*"
_MOST_LEVELS = 16
# Of version 2 and of version 1.
_LIMITS = ("memory.max", "memory.limit_in_bytes")
_USED = ("memory.current", "memory.usage_in_bytes")


class MemoryReading(NamedTuple):
    """The memory of a worker; int64 tensors in the closure and numpy values after it.

    The bytes come from Linux's /proc and are 0 on systems without it. They do not include GPU
    memory, which TensorFlow reports only to the process that uses it.
    """

    worker: Any  # its index
    resident_bytes: Any  # resident set of the process (VmRSS)
    peak_bytes: Any  # the largest it has had (VmHWM)
    available_bytes: Any  # available memory of its host (MemAvailable), or less by its cgroups


def worker_memory() -> MemoryReading:
    """Returns the worker's memory; to be called inside a closure."""
    return MemoryReading(
        worker=Engine.worker_index(),
        resident_bytes=_kilobytes("/proc/self/status", "VmRSS") * 1024,
        peak_bytes=_kilobytes("/proc/self/status", "VmHWM") * 1024,
        available_bytes=tf.minimum(
            _kilobytes("/proc/meminfo", "MemAvailable") * 1024, _room_in_groups()
        ),
    )


def _room_in_groups(root: str = "") -> tf.Tensor:
    """Returns the bytes below the limit of the worker's control group that has the fewest left.

    The largest number if there is no limit; see `dbsl_tf.common.cgroups`.

    Args:
        root: the folder that holds /proc and /sys.
    """
    most = tf.constant(tf.int64.max)
    return (
        tf.data.TextLineDataset(tf.io.matching_files(root + OWN_GROUPS))
        .filter(lambda line: tf.strings.regex_full_match(line, _OF_MEMORY))
        .flat_map(lambda line: tf.data.Dataset.from_tensor_slices(_folders(line, root + MOUNT)))
        .map(_room)
        .reduce(most, tf.minimum)
    )


def _folders(line: tf.Tensor, mount: str) -> tf.Tensor:
    """Returns the folders of a group and of those that it is in, string [n]."""
    is_first = tf.strings.regex_full_match(line, r"\d+:.+:/.*")
    base = tf.where(is_first, f"{mount}/memory", mount)
    parts = tf.strings.split(tf.strings.regex_replace(line, r"^[^/]*/", ""), "/")
    count = tf.minimum(tf.size(parts), _MOST_LEVELS)
    names = tf.map_fn(
        lambda stop: tf.strings.reduce_join(parts[:stop], separator="/"),
        tf.range(count + 1),
        fn_output_signature=tf.string,
    )
    return tf.strings.join([base, names], "/")


def _room(folder: tf.Tensor) -> tf.Tensor:
    """Returns the bytes below the limit of one group; the largest number if it has none."""
    limits = [_number(folder, name, r"\d+") for name in _LIMITS]
    used = tf.reduce_max([_number(folder, name, r"\d+") for name in _USED])
    # The system drops what it has read of files when memory is needed.
    files = _number(folder, "memory.stat", r"(total_)?inactive_file \d+")
    limit = tf.reduce_max(limits)
    return tf.where(limit > 0, tf.maximum(limit - used + files, 1), tf.int64.max)


def _number(folder: tf.Tensor, name: str, line: str) -> tf.Tensor:
    """Returns the largest number in such lines of a file; 0 without any, or "max"."""
    path = tf.strings.regex_replace(folder, r"([\\*?\[])", r"\\\1")
    return (
        tf.data.TextLineDataset(tf.io.matching_files(tf.strings.join([path, name], "/")))
        .filter(lambda text: tf.strings.regex_full_match(text, line))
        .map(lambda text: tf.strings.to_number(tf.strings.regex_replace(text, r"\D", ""), tf.int64))
        .reduce(tf.constant(0, tf.int64), tf.maximum)
    )


def _kilobytes(file: str, field: str) -> tf.Tensor:
    # Read as lines: files in /proc report no size, so `read_file` would find them empty.
    return (
        tf.data.TextLineDataset(tf.io.matching_files(file))  # none where there is no such file
        .filter(lambda line: tf.strings.regex_full_match(line, rf"{field}:\s+\d+ kB"))
        .map(lambda line: tf.strings.to_number(tf.strings.regex_replace(line, r"\D", ""), tf.int64))
        .reduce(tf.constant(0, tf.int64), lambda _, kilobytes: kilobytes)
    )
