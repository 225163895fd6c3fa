"""Workers of a local cluster that have no core of their own."""

from __future__ import annotations

import os
import sys

from dbsl_tf.cluster.local import visible_gpus
from dbsl_tf.common.cores import available_cores
from dbsl_tf.config import Config

# Environment variable: set once the warning was given; holds for what a process starts or becomes.
CROWDING_IS_KNOWN = "DBSL_TF_CROWDING_IS_KNOWN"


def warn_of_crowding(config: Config) -> None:
    """Warn on standard error, once, if workers of this machine have to share its cores.

    Where TF_CONFIG names other machines, or workers compute on GPUs, the cores here say nothing.
    """
    workers, cores = config.cluster.workers, len(available_cores())
    elsewhere = bool(os.environ.get("TF_CONFIG")) or visible_gpus()
    if workers <= cores or elsewhere or CROWDING_IS_KNOWN in os.environ:
        return
    os.environ[CROWDING_IS_KNOWN] = "1"
    print(
        f"warning: {workers} workers share {cores} core(s) of this machine: mini-epochs take "
        "longer than in a plan that assumes a core for each, whose k and balance then do not hold; "
        f"give cluster.workers={cores} at most, or start the cluster on more machines (TF_CONFIG)",
        file=sys.stderr,
        flush=True,
    )
