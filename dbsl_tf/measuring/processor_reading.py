"""Reads inside a closure which processor a worker has, and whether oneDNN is on."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from dbsl_tf.common.processor import CPU_INFO, Processor, WorkerProcessor
from dbsl_tf.engine.engine import Engine

_KEYS = r"(?i)(model name|flags|features)\s*:.*"
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
        if len(found) == engine.workers:
            break
    return [found[worker] for worker in sorted(found)]


class ProcessorReading(NamedTuple):
    """The processor of a worker; tensors in the closure and numpy values after it."""

    worker: Any  # int64, its index
    cpu_info: Any  # uint8 [bytes], lines about its first processors, padded with zeros
    onednn: Any  # bool, whether oneDNN operations are on


def worker_processor() -> ProcessorReading:
    """Returns the worker's processor; to be called inside a closure."""
    return ProcessorReading(Engine.worker_index(), _cpu_info(), _onednn_is_on())


def _cpu_info() -> tf.Tensor:
    text = (
        tf.data.TextLineDataset(tf.io.matching_files(CPU_INFO))  # none where there is no such file
        .filter(lambda line: tf.strings.regex_full_match(line, _KEYS))
        .take(2)
        .reduce(tf.constant(""), lambda text, line: tf.strings.join([text, line, "\n"]))
    )
    # The size of what a closure returns must be known in advance.
    return tf.ensure_shape(tf.io.decode_raw(text, tf.uint8, fixed_length=_BYTES), [_BYTES])


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
    text = bytes(reading.cpu_info).rstrip(b"\0").decode(errors="replace")
    processor = Processor.of(text.splitlines())
    return WorkerProcessor(int(reading.worker), processor, bool(reading.onednn))
