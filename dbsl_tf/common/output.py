"""Standard output and standard error that cannot be written to."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO


class Unfailing:
    """A text stream from which no error comes: once it cannot be written to, all more is dropped.

    A terminal is closed, a disk is full, or nobody reads a pipe any more; the work goes on.

    Args:
        stream: to be written to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._failed = False

    def write(self, text: str) -> int:
        """Write, if that can be done."""
        if not self._failed:
            try:
                self._stream.write(text)
            except (OSError, ValueError):
                self._failed = True
        return len(text)

    def flush(self) -> None:
        """Flush, if that can be done."""
        if not self._failed:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._failed = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def escape_what_cannot_be_encoded() -> None:
    """Have this process's output show characters that its encoding lacks by their numbers."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # It was closed before the process began.
            setattr(sys, name, open(os.devnull, "w"))
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def go_on_without_output() -> None:
    """From now on nothing in this process fails because its output cannot be written."""
    for name in ("stdout", "stderr"):
        setattr(sys, name, Unfailing(getattr(sys, name)))
