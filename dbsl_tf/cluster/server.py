"""The server of one parameter server or worker: it waits for the coordinator's work.

`python -m dbsl_tf.cluster.server` is what a local cluster starts. It takes its role from
TF_CONFIG and ends when its standard input closes, that is when the process that started it is
gone, however that happened.
"""

from __future__ import annotations

import os
import sys
import threading

from dbsl_tf.cluster.local import COMPUTE_THREADS
from dbsl_tf.cluster.task import WORKER, Task, task_from_environment


def serve(task: Task, compute_threads: int = 0) -> None:
    """Serve `task` until the process ends.

    Args:
        task: a worker or a parameter server.
        compute_threads: threads inside an operation, 0 for one a core.
    """
    import tensorflow as tf

    options = tf.compat.v1.ConfigProto()
    options.intra_op_parallelism_threads = compute_threads
    # A parameter server needs a second thread: one closure waits for the lock another one holds.
    options.inter_op_parallelism_threads = max(2, compute_threads) if compute_threads else 0
    server = tf.distribute.Server(
        tf.train.ClusterSpec(task.addresses.as_dict()),
        job_name=task.role,
        task_index=task.index,
        protocol="grpc",
        config=options,
    )
    server.join()


def _end_with_standard_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Serve the task in TF_CONFIG until the process that started this one is gone."""
    task = task_from_environment(os.environ)
    if task is None:
        sys.exit("error: TF_CONFIG is not set: this module serves one task of a cluster")
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    serve(task, int(os.environ.get(COMPUTE_THREADS, "0")) if task.role == WORKER else 0)


if __name__ == "__main__":
    main()
