"""Reads inside a closure what a worker computes on, and whether oneDNN is on."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from dbsl_tf.common.processor import CPU_INFO, Processor, WorkerProcessor
from dbsl_tf.engine.engine import Engine

_KEYS = r"(?i)(model name|flags|features)\s*:.*"
_CORE = r"processor\s*:\s*\d+"
_HOST = "/proc/sys/kernel/hostname"
_GPUS = "/proc/driver/nvidia/gpus/*/information"
_MODEL = r"Model:\s*(.*)"
_BYTES = 16_384
# As calls are short, one worker may take the call meant for another.
_TRIES = 10


def read_processors(engine: Engine) -> list[WorkerProcessor]:
    """Returns the processor of every worker that answers, by index."""
    closure = engine.closure(worker_processor)
    found: dict[int, WorkerProcessor] = {}
    for _ in range(_TRIES):
        calls = [()] * engine.workers
        for reading in engine.call_each(closure, calls, engine.limits.patience_with):
            read = _read(reading)
            found[read.worker] = read
        if found.keys() >= set(engine.membership.present):
            break
    return [found[worker] for worker in sorted(found)]


class ProcessorReading(NamedTuple):
    """The processor of a worker; tensors in the closure and numpy values after it."""

    worker: Any  # int64, its index
    cpu_info: Any  # uint8 [bytes], lines about its first processors, padded with zeros
    onednn: Any  # bool, whether oneDNN operations are on
    host: Any  # uint8 [bytes], its machine's name, likewise
    cores: Any  # int64, processors in cpu_info's file
    gpus: Any  # uint8 [bytes], lines with their models, likewise


def worker_processor() -> ProcessorReading:
    """Returns the worker's processor; to be called inside a closure."""
    return ProcessorReading(Engine.worker_index(), *machine())


def machine() -> tuple[tf.Tensor, ...]:
    """Returns all of `ProcessorReading` but the worker, of the machine that runs it."""
    return (
        _lines(CPU_INFO, _KEYS, 2),
        _onednn_is_on(),
        _lines(_HOST, ".+", 1),
        _cores(),
        _lines(_GPUS, _MODEL, -1),
    )


def _lines(files: str, pattern: str, most: int) -> tf.Tensor:
    """Returns the first lines of files that match a pattern, uint8 [bytes], padded with zeros."""
    text = (
        _matching(files, pattern)
        .take(most)
        .reduce(tf.constant(""), lambda text, line: tf.strings.join([text, line, "\n"]))
    )
    # The size of what a closure returns must be known in advance.
    return tf.ensure_shape(tf.io.decode_raw(text, tf.uint8, fixed_length=_BYTES), [_BYTES])


def _cores() -> tf.Tensor:
    return _matching(CPU_INFO, _CORE).reduce(tf.constant(0, tf.int64), lambda count, _: count + 1)


def _matching(files: str, pattern: str) -> tf.data.Dataset:
    lines = tf.data.TextLineDataset(tf.io.matching_files(files))  # none where there is no such file
    return lines.filter(lambda line: tf.strings.regex_full_match(line, pattern))


def _onednn_is_on() -> tf.Tensor:
    """Returns whether the CPU can convolve images that have their channels first.

    Only oneDNN can, so this shows whether it is on in the process, whatever the environment says.
    """

    def convolve(_: tf.Tensor) -> tf.Tensor:
        with tf.device("/cpu:0"):
            image, kernel = tf.ones([1, 1, 2, 2]), tf.ones([1, 1, 1, 1])
            return tf.nn.conv2d(image, kernel, 1, "VALID", data_format="NCHW")

    done = tf.data.Dataset.range(1).map(convolve).ignore_errors()
    return done.reduce(tf.constant(False), lambda *_: True)


def _read(reading: ProcessorReading) -> WorkerProcessor:
    return WorkerProcessor(
        int(reading.worker),
        Processor.of(_text(reading.cpu_info).splitlines()),
        bool(reading.onednn),
        host=_text(reading.host).strip(),
        cores=int(reading.cores),
        gpus=tuple(re.findall(_MODEL, _text(reading.gpus))),
    )


def _text(content: np.ndarray) -> str:
    return bytes(content).rstrip(b"\0").decode(errors="replace")
