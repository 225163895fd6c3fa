"""Writes one event file without TensorFlow operations.

`tf.summary` would use some, and while this process is connected to a cluster, every new operation
waits for hung workers. The file is a plain sequence of `Event` messages.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import tensorflow as tf
from tensorflow.core.framework.summary_pb2 import Summary, SummaryMetadata
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.framework.tensor_shape_pb2 import TensorShapeProto
from tensorflow.core.framework.types_pb2 import DT_STRING
from tensorflow.core.util.event_pb2 import Event, SessionLog

_VERSION = "brain.Event:2"


class NotWritten(Exception):
    """An event file cannot be written; the message says which and why."""


class EventFile:
    """A new event file in a folder; a context manager.

    TensorBoard shows the files of a folder as one run. The file begins by marking a session that
    starts at `first_step`, which makes TensorBoard discard that step and later ones in older files.

    Args:
        folder: created if it does not exist.
        first_step: the first step that will be written.

    Raises:
        NotWritten: it cannot be written.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        now = time.time()
        # TensorBoard reads the files in the order of their names.
        seconds, rest = divmod(int(now * 1e6), 1_000_000)
        self._path = folder / f"events.out.tfevents.{seconds:010d}.{rest:06d}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._writer = tf.io.TFRecordWriter(str(self._path))
        except (OSError, tf.errors.OpError) as error:
            raise self._not_written(error) from error
        self._write(Event(wall_time=now, file_version=_VERSION))
        start = SessionLog(status=SessionLog.START)
        self._write(Event(wall_time=now, step=first_step, session_log=start))

    def __enter__(self) -> EventFile:
        return self

    def __exit__(self, *_: object) -> None:
        # Everything is written already, or cannot be.
        with suppress(tf.errors.OpError):
            self._writer.close()

    def scalars(self, step: int, wall_time: float, values: Mapping[str, float]) -> None:
        """Writes numbers by tag; `wall_time` is Unix time in seconds.

        Raises:
            NotWritten: they cannot be written.
        """
        summary = Summary(
            value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        )
        self._write(Event(wall_time=wall_time, step=step, summary=summary))

    def text(self, step: int, tag: str, markdown: str) -> None:
        """Writes a text; raises as `scalars` does."""
        metadata = SummaryMetadata(
            plugin_data=SummaryMetadata.PluginData(plugin_name="text"),
            data_class="DATA_CLASS_TENSOR",
        )
        tensor = TensorProto(
            dtype=DT_STRING, tensor_shape=TensorShapeProto(), string_val=[markdown.encode()]
        )
        value = Summary.Value(tag=tag, metadata=metadata, tensor=tensor)
        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=[value])))

    def _write(self, event: Event) -> None:
        try:
            self._writer.write(event.SerializeToString())
            self._writer.flush()
        except tf.errors.OpError as error:
            raise self._not_written(error) from error

    def _not_written(self, error: Exception) -> NotWritten:
        # What TensorFlow says begins with the path.
        text = getattr(error, "strerror", None) or getattr(error, "message", None) or str(error)
        return NotWritten(f"{self._path} cannot be written ({text.rpartition('; ')[2]})")
