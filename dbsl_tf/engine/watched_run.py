"""Work on a cluster that may lose its servers in the meantime."""

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
    """Runs `work` in a thread of its own, while this one handles signals and checks.

    Without any worker left, calls wait for ever. Then `check` ends the waiting and the thread is
    abandoned: the cluster is about to be stopped.

    Args:
        work: what to do; its result is returned, and what it raises is raised here.
        check: called repeatedly in the meantime; what it raises is raised immediately.
        standstill: seconds for which `work` may do nothing but wait.

    Raises:
        ClusterError: `work` has done nothing for longer.
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
    """Returns the processor time of a thread so far, in seconds; 0 if the system has no record."""
    try:
        text = Path(f"/proc/self/task/{thread.native_id}/stat").read_text(encoding="ascii")
    except OSError:
        return 0.0
    # proc(5): fields 14 and 15, utime and stime; field 2, the name, may contain blanks.
    user, system = text.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
