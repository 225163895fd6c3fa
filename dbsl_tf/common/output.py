"""Keeps a process alive when its standard output or standard error cannot be written to."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO


class Unfailing:
    """A text stream that never fails: after the first error, everything written is dropped.

    So work continues when a terminal is closed, a disk is full, or a pipe has lost its reader.

    Args:
        stream: the stream to write to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._failed = False

    def write(self, text: str) -> int:
        """Writes if that is still possible."""
        if not self._failed:
            try:
                self._stream.write(text)
            except (OSError, ValueError):
                self._failed = True
        return len(text)

    def flush(self) -> None:
        """Flushes if that is still possible."""
        if not self._failed:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._failed = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def escape_what_cannot_be_encoded() -> None:
    """Makes this process print characters that its encoding lacks as escape sequences."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # It was closed before the process began.
            setattr(sys, name, open(os.devnull, "w"))
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def go_on_without_output() -> None:
    """Ensures that nothing in this process fails because its output cannot be written."""
    for name in ("stdout", "stderr"):
        setattr(sys, name, Unfailing(getattr(sys, name)))
