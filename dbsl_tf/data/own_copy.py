"""A worker's own copy of the data: read wherever it is on the worker's machine.

The graphs that read files are made by the chief, which knows only its own paths. So a worker that
has prepared its data keeps their folders open under numbers that the graphs know, and graphs look
there first.
"""

from __future__ import annotations

import os
import sys
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING

from dbsl_tf.data.image_folder import ImageData
from dbsl_tf.data.record_files import RecordData

if TYPE_CHECKING:
    import tensorflow as tf


class Held(IntEnum):
    """What a folder that is kept open holds; the value is its file descriptor."""

    SAMPLES = 200
    LISTS = 201


def hold_own_copy(data: RecordData | ImageData) -> None:
    """Has all graphs that run in this process read its own files instead of the chief's (Linux).

    Call it early, while few files are open.

    Args:
        data: prepared by this process.
    """
    if isinstance(data, RecordData):
        _hold(Held.SAMPLES, data.train_files[0].parent)
    else:
        _hold(Held.SAMPLES, data.directory)
        _hold(Held.LISTS, data.train_list.parents[1])


def own_or(held: Held, folder: Path, name: str) -> tf.Tensor:
    """Returns the folder in which this worker has its own `name`, a scalar string, in a graph.

    Args:
        held: the kind of folder.
        folder: what to return if the worker has none of its own.
        name: of something in it, relative; not a pattern.
    """
    import tensorflow as tf

    present = tf.size(tf.io.matching_files(f"{_own(held)}/{name}")) > 0
    return tf.where(present, _own(held), str(folder))


def write_own(held: Held, present: str, name: str, content: bytes) -> tf.Tensor:
    """Writes a file where this worker has a folder of its own, unless it is there, in a graph.

    Args:
        held: the kind of folder.
        present: a pattern of names, one of which is in every folder of this kind.
        name: of the file, relative.
        content: of the file.

    Returns:
        Whether it was written, a bool scalar.
    """
    import tensorflow as tf

    path = f"{_own(held)}/{name}"
    there = tf.cond(
        tf.size(tf.io.matching_files(path)) > 0,
        lambda: tf.equal(tf.io.read_file(path), content),
        lambda: tf.constant(False),
    )

    def write() -> tf.Tensor:
        with tf.control_dependencies([tf.io.write_file(path, content)]):
            return tf.constant(True)

    has_folder = tf.size(tf.io.matching_files(f"{_own(held)}/{present}")) > 0
    wanted = tf.logical_and(has_folder, tf.logical_not(there))
    return tf.cond(wanted, write, lambda: tf.constant(False))


def _own(held: Held) -> str:
    return f"/proc/self/fd/{int(held)}"


def _hold(held: Held, folder: Path) -> None:
    if sys.platform != "linux":
        return
    opened = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    os.dup2(opened, held, inheritable=False)
    os.close(opened)
