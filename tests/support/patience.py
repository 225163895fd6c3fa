"""How long tests wait before they call something hung.

No limit is a fixed number of seconds: each is many times what is usual, and as many times more as
this machine is slower, which is measured once when the tests start.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_VARIABLE = "DBSL_TF_TESTS_SLOWNESS"
# What `_COMMAND` takes on two idle cores with AVX2, in seconds.
_USUAL_SECONDS = 0.5
_COMMAND = (sys.executable, "-c", "import dbsl_tf.cli.plan, numpy, rich.console")
# A machine may be busy with something else, and become so after the measurement.
_MARGIN = 10


def calibrate() -> None:
    """Measure how slow this machine is; processes started from now on know the result."""
    if _VARIABLE in os.environ:
        return
    seconds = []
    for _ in range(3):
        began = time.monotonic()
        subprocess.run(_COMMAND, cwd=_ROOT, check=True)
        seconds.append(time.monotonic() - began)
    os.environ[_VARIABLE] = str(max(1.0, statistics.median(seconds) / _USUAL_SECONDS))


def slowness() -> float:
    """How many times slower this machine is than the one on which the usual times were taken."""
    return float(os.environ[_VARIABLE])


def at_most(usual: float) -> float:
    """What may pass before something that usually takes `usual` seconds counts as hung."""
    return _MARGIN * usual * slowness()


def wait_until(
    condition: Callable[[], object],
    usual: float = 10,
    *,
    progress: Callable[[], object] = lambda: None,
    alive: Callable[[], bool] = lambda: True,
    pause: float = 0.05,
) -> None:
    """Wait for `condition` to hold.

    Args:
        condition: looked at every `pause` seconds.
        usual: seconds that it usually takes, or that usually pass between two steps of progress.
        progress: what it returns changes whenever something has been achieved; then the waiting
            starts over.
        alive: whether it can still come to hold.

    Raises:
        AssertionError: nothing has been achieved for `at_most(usual)`, or nothing can be any more.
    """
    limit = at_most(usual)
    seen, since = progress(), time.monotonic()
    while not condition():
        # What ends may have come to hold with its end.
        assert alive() or condition(), "it ended before"
        if (now_seen := progress()) != seen:
            seen, since = now_seen, time.monotonic()
        assert time.monotonic() - since < limit, f"nothing has happened for {limit:.0f} s"
        time.sleep(pause)
