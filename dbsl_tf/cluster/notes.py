"""Notes between a server that is asked to end (SIGTERM) and the coordinator: the server's side.

A server only runs what the coordinator sends it; it has no program, no configuration and no
connection of its own in which it could say that it has to go. So the two leave notes for each other
in the server's process: in two files in memory, with fixed numbers, that only this process knows as
/proc/self/fd/250 and 251. The coordinator reads the one and writes the other with operations of
TensorFlow, over the port that the server has anyway; see `dbsl_tf.engine.departures`.

Where a system has no such files (they are Linux's), a server ends as soon as it is asked to.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from dbsl_tf.common.interruptions import SAME_REQUEST

# What the server writes, and the coordinator reads.
STATE = "/proc/self/fd/250"
SERVING, LEAVING = b"serving", b"leaving"
# What the coordinator writes, and the server reads: `GO`, or `stay_order`.
ORDER = "/proc/self/fd/251"
GO = b"go"
# Seconds without a new order after which there is no coordinator: several times what passes
# between two of them.
_UNATTENDED = 8.0


def stay_order(number: int, grace: float) -> bytes:
    """Returns the order to stay until `GO`.

    Args:
        number: a different one each time, to show that the coordinator is there.
        grace: seconds that a server that is asked to end stays at most.
    """
    return f"{number} {grace:g}".encode()


class Notes:
    """The notes of one server, which ends when `may_end` says so. Not thread-safe.

    Make it before anything opens many files, so that the numbers are free.

    Args:
        tell: called with a line when the server is asked to end.
    """

    def __init__(self, tell: Callable[[str], None] = lambda line: None) -> None:
        self._tell = tell
        self._asked: float | None = None
        self._at_once = False
        self._order = b""
        self._ordered = float("-inf")
        self._state_file = _file_in_memory(STATE)
        self._order_file = None if self._state_file is None else _file_in_memory(ORDER)
        self._write(SERVING)

    def listen(self) -> None:
        """Takes SIGTERM as the request to end in order, and another one as that to end at once."""
        signal.signal(signal.SIGTERM, lambda *_: self.ask())

    def ask(self) -> None:
        """Asks the server to end in order; again, at least a second later: to end at once."""
        now = time.monotonic()
        if self._asked is None:
            self._asked = now
            self._write(LEAVING)
            if not self._may_go():
                self._tell(f"asked to end: finishing what runs, for at most {self._grace:g} s")
        elif now - self._asked >= SAME_REQUEST:
            self._at_once = True

    def may_end(self) -> bool:
        """Returns whether the server has been asked to end and nobody needs it; call it repeatedly.

        Nobody does if there is no coordinator, if it has said so, or if the time that it grants is
        over.
        """
        may_go = self._may_go()
        return self._asked is not None and may_go

    @property
    def asked(self) -> bool:
        """Whether the server was asked to end."""
        return self._asked is not None

    def _may_go(self) -> bool:
        order = self._read()
        now = time.monotonic()
        if order != self._order:
            self._order, self._ordered = order, now
        if self._at_once or order == GO or now - self._ordered > _UNATTENDED:
            return True
        return self._asked is not None and now - self._asked >= self._grace

    @property
    def _grace(self) -> float:
        _, _, grace = self._order.partition(b" ")
        try:
            return float(grace)
        except ValueError:
            # It is being written.
            return _UNATTENDED

    def _write(self, note: bytes) -> None:
        if self._state_file is not None:
            # All notes of a server have the same length, so that no other can be read meanwhile.
            os.pwrite(self._state_file, note, 0)

    def _read(self) -> bytes:
        if self._order_file is None:
            return b""
        return os.pread(self._order_file, 100, 0) or self._order


def _file_in_memory(path: str) -> int | None:
    """Makes a file in memory with the number at the end of `path`; None if that is not possible."""
    number = int(path.rpartition("/")[2])
    if os.path.exists(path):
        return None
    try:
        made = os.memfd_create("dbsl_tf")
        try:
            # Not inherited by other programs.
            os.dup2(made, number, inheritable=False)
        finally:
            os.close(made)
    except (AttributeError, OSError):
        return None
    return number
