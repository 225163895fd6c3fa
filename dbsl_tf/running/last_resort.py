"""Ends a run that was asked to stop but whose process no longer responds.

A process that waits in C code while holding Python's global lock receives no Ctrl-C, and none of
its threads can end it. Another process, which runs this module, can.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from dbsl_tf.common.program import python_module

_BEAT, _HEARD = 0, 255  # written to the pipe, as signal numbers are
_PERIOD = 1.0  # seconds
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class LastResort:
    """While it is open, a signal ends this process even if the process does not respond to it.

    Python's C handler writes every signal to a pipe at once, and a thread regularly writes that
    Python is still running. The process at the other end of the pipe kills this one if a signal is
    not handled, or if Python stops running after a signal. Open it in the main thread.

    Args:
        seconds: how long this process may take to respond.
        last_words: written to standard error when this process is killed.
    """

    def __init__(self, seconds: float, last_words: str) -> None:
        self._arguments = [str(os.getpid()), str(seconds), last_words]
        self._closed = threading.Event()

    def __enter__(self) -> LastResort:
        self._process = subprocess.Popen(
            [*python_module(__name__), *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            # A Ctrl-C in the terminal is not meant for it.
            start_new_session=True,
        )
        assert self._process.stdin is not None
        self._pipe = self._process.stdin.fileno()
        os.set_blocking(self._pipe, False)
        signal.set_wakeup_fd(self._pipe, warn_on_full_buffer=False)
        self._handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        for number, handler in self._handlers.items():
            if callable(handler):
                signal.signal(number, self._reporting(handler))
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._closed.set()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        if self._process.stdin is not None:
            self._process.stdin.close()
        # It may be stopped, and has nothing left to do.
        self._process.kill()
        self._process.wait()

    def _reporting(
        self, handler: Callable[[int, FrameType | None], Any]
    ) -> Callable[[int, FrameType | None], Any]:
        def handle(number: int, frame: FrameType | None) -> Any:
            self._write(_HEARD)
            return handler(number, frame)

        return handle

    def _beat(self) -> None:
        while not self._closed.wait(_PERIOD):
            self._write(_BEAT)

    def _write(self, what: int) -> None:
        try:
            os.write(self._pipe, bytes([what]))
        except OSError:
            # The other process is gone or does not read, so there is no last resort.
            pass


def watch(process: int, seconds: float, last_words: str) -> None:
    """Monitors another process through standard input until it ends; kills it if necessary."""
    unheard: float | None = None  # seconds since the first signal that was not handled
    silent, asked = 0.0, False
    while True:
        before = time.monotonic()
        ready, _, _ = select.select([0], [], [], _PERIOD)
        # While the whole machine is paused, nobody can respond.
        passed = min(time.monotonic() - before, 2 * _PERIOD)
        told = os.read(0, 4096) if ready else None
        if told == b"":
            return
        silent += passed
        if unheard is not None:
            unheard += passed
        for what in told or b"":
            if what == _BEAT:
                silent = 0.0
            elif what == _HEARD:
                unheard = None
            elif what in _SIGNALS:
                asked, unheard = True, unheard or 0.0
        if asked and max(silent, unheard or 0.0) > seconds:
            os.kill(process, signal.SIGKILL)
            print(last_words, file=sys.stderr)
            return


if __name__ == "__main__":
    watch(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3])
