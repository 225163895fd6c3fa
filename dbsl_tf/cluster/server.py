"""The process of one parameter server or worker, which waits for work from the coordinator.

A local cluster starts `python -m dbsl_tf.cluster.server`. It takes its role from TF_CONFIG, and
ends when its standard input closes, that is, when the process that started it has ended, however
that happened; on SIGTERM, as soon as the coordinator does not need it any more.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from contextlib import suppress

from dbsl_tf.cluster.local import CORES, THREADS
from dbsl_tf.cluster.notes import Notes
from dbsl_tf.cluster.probing import bypass_proxies
from dbsl_tf.cluster.server_library import load_server_library
from dbsl_tf.cluster.task import PARAMETER_SERVER, Task, task_from_environment
from dbsl_tf.common.cores import core_count
from dbsl_tf.common.errors import UserError

# Seconds between two looks for an order of the coordinator, and once the server is asked to end.
_PERIOD, _HURRIED_PERIOD = 0.2, 0.05


def serve(task: Task) -> None:
    """Serves `task` until the process is asked to end (SIGTERM), and no longer needed; see `Notes`.

    Args:
        task: a worker or a parameter server.

    Raises:
        UserError: the address cannot be used.
    """
    bypass_proxies(task)
    notes = Notes(lambda line: _tell(f"{task.name} {line}"))
    notes.listen()
    _share_one_heap()
    library = load_server_library()
    options = library.ConfigProto()
    threads = int(os.environ.get(THREADS) or core_count())
    options.intra_op_parallelism_threads = threads
    # On a parameter server, one thread per worker may wait for the lock on the weights.
    waiting = len(task.addresses.workers) + 2 if task.role == PARAMETER_SERVER else 0
    options.inter_op_parallelism_threads = max(2, threads, waiting)
    # Several workers may share a GPU.
    options.gpu_options.allow_growth = True
    try:
        server = library.Server(
            library.ClusterSpec(task.addresses.as_dict()),
            job_name=task.role,
            task_index=task.index,
            protocol="grpc",
            config=options,
        )
    except library.OpError as error:
        raise UserError(
            f"{task.name} cannot serve at {task.address} ({error.message}): is the port in use, "
            "or does the host belong to another machine?"
        ) from error
    # `join` itself cannot be interrupted by a signal.
    serving = threading.Thread(target=server.join, daemon=True)
    serving.start()
    while serving.is_alive() and not notes.may_end():
        serving.join(_HURRIED_PERIOD if notes.asked else _PERIOD)
    _tell(f"{task.name} has left")


def _tell(line: str) -> None:
    # Whoever asks a server to end may no longer listen to it.
    with suppress(OSError):
        print(line, flush=True)


def _share_one_heap() -> None:
    """Makes all threads of this process take memory from one heap (glibc).

    By default each thread has a heap of its own, and memory freed there is lost to other threads: a
    worker would grow with every input pipeline, by the size of its data.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt") and "MALLOC_ARENA_MAX" not in os.environ:
        most_heaps = -8
        library.mallopt(most_heaps, 1)


def _end_with_standard_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def _end_with_parent() -> None:
    """Makes the system kill this process with its parent, even while it is stopped (Linux)."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def main() -> None:
    """Serves the task in TF_CONFIG until SIGTERM, or until the process that started it is gone."""
    _end_with_parent()
    task = task_from_environment(os.environ)
    if task is None:
        sys.exit("error: TF_CONFIG is not set: this module serves one task of a cluster")
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    # Before TensorFlow counts the cores.
    if cores := os.environ.get(CORES):
        os.sched_setaffinity(0, map(int, cores.split(",")))
    serve(task)
    # At its usual end Python would wait for TensorFlow's threads.
    os._exit(0)


if __name__ == "__main__":
    main()
