"""Work in the background of the training, one task at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable

from dbsl_tf.engine.failures import naming_lost_servers


class Background:
    """Runs one task at a time in a thread of its own.

    Args:
        fail: called with what a task raises.
    """

    def __init__(self, fail: Callable[[BaseException], None]) -> None:
        self._fail = fail
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether a task is running."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, work: Callable[[], None]) -> None:
        """Begins `work`, after the previous task has ended."""
        self.wait()
        self._thread = in_thread(work, self._fail)

    def wait(self, timeout: float | None = None) -> None:
        """Waits until the latest task has ended, at most `timeout` seconds."""
        if self._thread is not None:
            self._thread.join(timeout)


def in_thread(work: Callable[[], None], fail: Callable[[BaseException], None]) -> threading.Thread:
    """Begins `work` in a thread of its own, and returns it; `fail` gets what `work` raises."""

    def guarded() -> None:
        try:
            with naming_lost_servers():
                work()
        except BaseException as error:
            fail(error)

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()
    return thread
