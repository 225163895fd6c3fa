"""Work beside the training, one piece at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable

from dbsl_tf.engine.failures import naming_lost_servers


class Background:
    """Runs one piece of work at a time in a thread of its own.

    Args:
        fail: told of what a piece of work raises.
    """

    def __init__(self, fail: Callable[[BaseException], None]) -> None:
        self._fail = fail
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether something is being done."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, work: Callable[[], None]) -> None:
        """Begin `work`; see `wait`."""
        self.wait()
        self._thread = in_thread(work, self._fail)

    def wait(self, timeout: float | None = None) -> None:
        """Wait until what was started last is done, `timeout` seconds at most."""
        if self._thread is not None:
            self._thread.join(timeout)


def in_thread(work: Callable[[], None], fail: Callable[[BaseException], None]) -> threading.Thread:
    """Begin `work` in a thread of its own; `fail` is told of what it raises."""

    def guarded() -> None:
        try:
            with naming_lost_servers():
                work()
        except BaseException as error:
            fail(error)

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()
    return thread
