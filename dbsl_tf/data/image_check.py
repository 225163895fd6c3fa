"""Finds image files that the workers could not decode, and how large the others are."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TextIO

from dbsl_tf.common.cores import core_count
from dbsl_tf.common.files import read_bytes

_FILES_PER_TASK = 64
_LARGEST = 1 << 28  # bytes
_JPEG = b"\xff\xd8\xff"
_FORMATS = ("JPEG", "PNG", "WEBP")


@dataclass
class Checked:
    """What was found out about image files.

    Attributes:
        unreadable: why files cannot be decoded, by name.
        shorter_sides: of the other images, in pixels, by name.
    """

    unreadable: dict[str, str] = field(default_factory=dict)
    shorter_sides: dict[str, int] = field(default_factory=dict)


def check_images(directory: Path, names: Sequence[str]) -> Checked:
    """Decodes every file to its end, as workers do.

    JPEG files are decoded at an eighth of their size, which takes half the time and detects the
    same faults as full size. Shows progress.

    Args:
        directory: the folder that holds them.
        names: their paths in `directory`.
    """
    # Imported here because they take a moment, which a folder checked earlier need not spend.
    from dbsl_tf.common.printing import print_line
    from dbsl_tf.common.progress import LateProgress
    from dbsl_tf.common.terminal import Terminal

    tasks = [names[i : i + _FILES_PER_TASK] for i in range(0, len(names), _FILES_PER_TASK)]
    print_line(Terminal(stderr=True), f"Checking {len(names):,} images in {directory}, once")
    _decoder()
    checked = Checked()
    # Threads are enough, as decoding releases Python's global lock.
    with (
        _libraries_silenced() as output,
        ThreadPoolExecutor(core_count()) as threads,
        LateProgress("images", console=Terminal(file=output)) as progress,
    ):
        done = progress.of("decoding", len(names))
        results = threads.map(lambda task: _check(directory, task), tasks)
        for number, found in enumerate(results, 1):
            for name, result in found.items():
                if isinstance(result, str):
                    checked.unreadable[name] = result
                else:
                    checked.shorter_sides[name] = result
            done(min(number * _FILES_PER_TASK, len(names)))
    return checked


def _check(directory: Path, names: Sequence[str]) -> dict[str, str | int]:
    return {name: _fault_or_size(directory / name) for name in names}


def fault(path: Path) -> str | None:
    """Returns why `path` is not an image that workers decode; None if it is one."""
    result = _fault_or_size(path)
    return result if isinstance(result, str) else None


def _fault_or_size(path: Path) -> str | int:
    """Returns why `path` cannot be decoded, or else the image's shorter side in pixels."""
    from PIL import Image, UnidentifiedImageError

    try:
        content = read_bytes(path, _LARGEST)
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            if _decoder()(content):
                return min(image.size)
            if image.format == "WEBP" and (
                image.mode != "RGB" or getattr(image, "n_frames", 1) > 1
            ):
                return "a WebP image with transparency or several frames; save it as PNG"
            image.draft(None, (1, 1))
            image.load()
    except UnidentifiedImageError:
        return "not a JPEG, PNG or WebP image" if content else "empty file"
    except Exception as error:  # A corrupt image can raise nearly any exception.
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return " ".join(reason.split())
    # What other programs pass over, such as the missing end of a PNG file.
    return "damaged; TensorFlow cannot decode it"


@cache
def _decoder() -> Callable[[bytes], bool]:
    """Returns what tells whether TensorFlow can decode the content of a file."""
    from dbsl_tf.common.quiet import import_tensorflow_quietly

    import_tensorflow_quietly()
    import tensorflow as tf

    # A session, as operations that run eagerly would settle how this process may use devices.
    with tf.Graph().as_default():
        content = tf.compat.v1.placeholder(tf.string, [])
        whole = tf.io.decode_image(content, channels=3, expand_animations=False)
        eighth = tf.io.decode_jpeg(content, channels=3, ratio=8)
        session = tf.compat.v1.Session(
            config=tf.compat.v1.ConfigProto(device_count={"GPU": 0}, use_per_session_threads=True)
        )
        decode_whole, decode_eighth = (
            session.make_callable(tf.shape(image), [content]) for image in (whole, eighth)
        )

    def decodes(data: bytes) -> bool:
        decode: Any = decode_eighth if data.startswith(_JPEG) else decode_whole
        try:
            decode(data)
        except tf.errors.OpError:
            return False
        return True

    return decodes


@contextmanager
def _libraries_silenced() -> Iterator[TextIO]:
    """Drops what libraries print about images; yields the standard error that was."""
    try:
        ours = sys.stderr.fileno() == 2
    except (OSError, ValueError):
        ours = False
    if not ours:
        yield sys.stderr
        return
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        with open(kept, "w", encoding=sys.stderr.encoding, errors="backslashreplace") as output:
            try:
                yield output
            finally:
                output.flush()
                os.dup2(kept, 2)
    finally:
        sys.stderr.flush()
