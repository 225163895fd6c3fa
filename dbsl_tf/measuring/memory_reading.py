"""Reads inside a closure how much memory a worker process has used."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from dbsl_tf.engine.engine import Engine


class MemoryReading(NamedTuple):
    """The memory of a worker; int64 tensors in the closure and numpy values after it.

    The bytes come from Linux's /proc and are 0 on systems without it. They do not include GPU
    memory, which TensorFlow reports only to the process that uses it.
    """

    worker: Any  # its index
    resident_bytes: Any  # resident set of the process (VmRSS)
    peak_bytes: Any  # the largest it has had (VmHWM)
    available_bytes: Any  # available memory of its whole host (MemAvailable)


def worker_memory() -> MemoryReading:
    """Returns the worker's memory; to be called inside a closure."""
    return MemoryReading(
        worker=Engine.worker_index(),
        resident_bytes=_kilobytes("/proc/self/status", "VmRSS") * 1024,
        peak_bytes=_kilobytes("/proc/self/status", "VmHWM") * 1024,
        available_bytes=_kilobytes("/proc/meminfo", "MemAvailable") * 1024,
    )


def _kilobytes(file: str, field: str) -> tf.Tensor:
    # Read as lines: files in /proc report no size, so `read_file` would find them empty.
    return (
        tf.data.TextLineDataset(tf.io.matching_files(file))  # none where there is no such file
        .filter(lambda line: tf.strings.regex_full_match(line, rf"{field}:\s+\d+ kB"))
        .map(lambda line: tf.strings.to_number(tf.strings.regex_replace(line, r"\D", ""), tf.int64))
        .reduce(tf.constant(0, tf.int64), lambda _, kilobytes: kilobytes)
    )
