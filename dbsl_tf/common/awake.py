"""A clock for time limits that stands still while this process is paused.

A process may be paused (Ctrl-Z, `docker pause`, a virtual machine being moved) or get no processor
time. Whatever it is waiting for must not count as late because of that.
"""

from __future__ import annotations

import threading
import time

_TICK = 0.25
# The most seconds that count between two ticks.
_LONGEST = 1.0


class _Clock:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted = 0.0
        self._ticked = time.monotonic()
        threading.Thread(target=self._tick, name="awake", daemon=True).start()

    def seconds(self) -> float:
        with self._lock:
            return self._counted + self._passed()

    def _tick(self) -> None:
        while True:
            time.sleep(_TICK)
            with self._lock:
                self._counted += self._passed()
                self._ticked = time.monotonic()

    def _passed(self) -> float:
        return min(time.monotonic() - self._ticked, _LONGEST)


_clock: _Clock | None = None
_making = threading.Lock()


def seconds() -> float:
    """Returns the seconds on a clock that never goes back; only differences are meaningful.

    The first call starts a thread.
    """
    global _clock
    if _clock is None:
        with _making:
            _clock = _clock or _Clock()
    return _clock.seconds()
