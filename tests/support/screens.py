"""What a terminal of 80 columns and 24 lines shows of what is written to it."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence

import pyte

COLUMNS, LINES = 80, 24
_LINES_KEPT = 1000  # of those that have left the screen at its top


class Screen:
    """A terminal that interprets what is written to it, as a real one does."""

    def __init__(self) -> None:
        self._screen = pyte.HistoryScreen(COLUMNS, LINES, history=_LINES_KEPT, ratio=0.5)
        self._stream = pyte.ByteStream(self._screen)

    def feed(self, written: bytes) -> None:
        """Shows what a program has written to the terminal."""
        self._stream.feed(written)

    @property
    def shown(self) -> list[str]:
        """The lines of the screen, from the top, without those that are empty."""
        return [line.rstrip() for line in self._screen.display if line.strip()]

    @property
    def lines(self) -> list[str]:
        """Likewise, after those that have left the screen at its top."""
        above = (
            "".join(line[column].data for column in range(COLUMNS)).rstrip()
            for line in self._screen.history.top
        )
        return [*filter(None, above), *self.shown]


def shown_of(text: str) -> Screen:
    """The terminal after `text`, in which lines end as a program ends them."""
    screen = Screen()
    screen.feed(text.replace("\n", "\r\n").encode())
    return screen


def run_on_screen(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> tuple[int, Screen]:
    """Runs a command in a pseudo-terminal to its end; returns its status and the terminal."""
    ours, theirs = pty.openpty()
    screen = Screen()
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        # Variables that Rich would believe rather than the terminal.
        rest = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
        with subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**rest, "TERM": "xterm-256color", **(environment or {})},
            start_new_session=True,
        ) as process:
            os.close(theirs)
            while written := _read(ours):
                screen.feed(written)
        return process.returncode, screen
    finally:
        os.close(ours)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Nobody has the other end open any more.
        return b""
