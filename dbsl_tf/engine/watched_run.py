"""Work on a cluster that may lose its servers meanwhile."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from dbsl_tf.common.errors import ClusterError
from dbsl_tf.common.patience import Idle

Result = TypeVar("Result")

_PERIOD = 0.2  # seconds


def run_watched(
    work: Callable[[], Result], check: Callable[[], None], standstill: float = math.inf
) -> Result:
    """Run `work` in a thread of its own, while this one stays open to signals and checks.

    Where no worker is left, calls of the cluster wait for ever; then `check` ends the waiting, and
    the thread is left behind: the cluster is about to be stopped.

    Args:
        work: what to do; its result, or what it raises, is passed on.
        check: called again and again meanwhile; what it raises is passed on at once.
        standstill: seconds for which it may do nothing but wait.

    Raises:
        ClusterError: it waits for longer.
    """
    results: list[Result] = []
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            results.append(work())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()
    idle = Idle()
    while thread.is_alive():
        thread.join(_PERIOD)
        check()
        # Building and tracing keep this thread itself busy.
        idle.done(_processor_seconds(thread))
        if idle.seconds > standstill:
            raise ClusterError(
                f"the cluster has made no progress for {standstill:.0f} s, though its servers "
                "answer: a worker hangs; restart it"
            )
    if failures:
        raise failures[0]
    return results[0]


def _processor_seconds(thread: threading.Thread) -> float:
    """What a thread has computed so far; 0 where the system does not tell."""
    try:
        text = Path(f"/proc/self/task/{thread.native_id}/stat").read_text(encoding="ascii")
    except OSError:
        return 0.0
    # proc(5): fields 14 and 15, utime and stime; the second one may have blanks in it.
    user, system = text.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
