"""Work on a cluster that may lose its servers meanwhile."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from dbsl_tf.common.errors import ClusterError

Result = TypeVar("Result")

_PERIOD = 0.2  # seconds


def run_watched(
    work: Callable[[], Result], check: Callable[[], None], timeout: float = math.inf
) -> Result:
    """Run `work` in a thread of its own, while this one stays open to signals and checks.

    Where no worker is left, calls of the cluster wait for ever; then `check` ends the waiting, and
    the thread is left behind: the cluster is about to be stopped.

    Args:
        work: what to do; its result, or what it raises, is passed on.
        check: called again and again meanwhile; what it raises is passed on at once.
        timeout: seconds it may take.

    Raises:
        ClusterError: it takes longer.
    """
    deadline = time.monotonic() + timeout
    results: list[Result] = []
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            results.append(work())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_PERIOD)
        check()
        if time.monotonic() > deadline:
            raise ClusterError(
                f"the cluster was not ready within {timeout:.0f} s: a server hangs; start it again"
            )
    if failures:
        raise failures[0]
    return results[0]
