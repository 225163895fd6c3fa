"""Ctrl-C and other requests to end: the first begins the orderly end, a later one ends at once.

A terminal and `timeout`, or a launcher and its process group, may send the same request twice
within milliseconds.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# Seconds within which requests are the same one.
SAME_REQUEST = 1.0


class Terminated(KeyboardInterrupt):
    """Raised by SIGTERM, which gets the same clean-up as Ctrl-C."""


class HungUp(Terminated):
    """Raised by SIGHUP: the terminal, or the connection to it, was closed."""


class _Requests:
    def __init__(self) -> None:
        self.count = 0
        self.latest = -SAME_REQUEST
        self.held = False
        self.pending: type[KeyboardInterrupt] | None = None

    def raising(self, kind: type[KeyboardInterrupt]) -> Callable[..., Any]:
        def handle(*_: object) -> None:
            now = time.monotonic()
            if self.count and now - self.latest < SAME_REQUEST:
                return
            self.count, self.latest = self.count + 1, now
            if self.held:
                self.pending = kind
            else:
                raise kind

        return handle


_requests = _Requests()


def handle_interruptions() -> None:
    """Has SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt, once for each request.

    What is ignored stays ignored: SIGINT in the background, SIGHUP under nohup.
    """
    for number, kind in (
        (signal.SIGINT, KeyboardInterrupt),
        (signal.SIGTERM, Terminated),
        (signal.SIGHUP, HungUp),
    ):
        if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _requests.raising(kind))


def ends_at_once() -> bool:
    """Whether this process was asked again to end, while it was ending in order."""
    return _requests.count > 1


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Lets a request wait until the end of the context, which must be short."""
    _requests.held = True
    try:
        yield
    finally:
        _requests.held = False
        pending, _requests.pending = _requests.pending, None
        if pending is not None:
            raise pending
