"""Warns of workers without a core of their own."""

from __future__ import annotations

import os
from collections import Counter

from dbsl_tf.cluster.gpus import visible_gpus
from dbsl_tf.cluster.probing import is_here
from dbsl_tf.cluster.task import task_from_environment
from dbsl_tf.common.cores import core_count
from dbsl_tf.common.errors import UserError
from dbsl_tf.common.printing import tell

# Environment variable, set once the warning was given; child processes and restarts inherit it.
CROWDING_IS_KNOWN = "DBSL_TF_CROWDING_IS_KNOWN"


def warn_of_crowding(workers: int) -> None:
    """Warns on standard error, once, if workers of this machine have to share its cores.

    Workers that TF_CONFIG places on other machines do not count; where workers compute on GPUs, the
    cores say nothing.

    Args:
        workers: number of workers of a local cluster.
    """
    if CROWDING_IS_KNOWN in os.environ or visible_gpus():
        return
    workers, cores = _workers_here(workers), core_count()
    if workers <= cores:
        return
    os.environ[CROWDING_IS_KNOWN] = "1"
    tell(
        f"warning: {workers} workers share {cores} core(s) of this machine: the time model does "
        "not hold, as it assumes one core each, and neither do k and the balance of the plan; "
        f"use at most {cores} here (cluster.workers), or start the cluster on more machines "
        "(TF_CONFIG)"
    )


def _workers_here(workers: int) -> int:
    try:
        task = task_from_environment(os.environ)
    except UserError:
        # Commands that start or join a cluster report what is wrong with TF_CONFIG.
        return 0
    if task is None:
        return workers
    by_host = Counter(address.rpartition(":")[0] for address in task.addresses.workers)
    return sum(count for host, count in by_host.items() if is_here(f"{host}:0"))
