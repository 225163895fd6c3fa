"""Which process of a cluster uses which GPU: each worker one, all other processes none."""

from __future__ import annotations

import json
import os
from pathlib import Path

from dbsl_tf.cluster.probing import is_here
from dbsl_tf.cluster.task import WORKER, Task, host_and_port

# What CUDA reads, when TensorFlow is loaded.
VISIBLE = "CUDA_VISIBLE_DEVICES"
# Environment variable: the value that VISIBLE had before this process took its share, as JSON.
# Child processes and restarts inherit it.
_GIVEN = "DBSL_TF_GIVEN_GPUS"
_NO_GPU = "-1"


def given_gpus() -> str | None:
    """Returns CUDA_VISIBLE_DEVICES as the user has set it; None if it is unset."""
    if _GIVEN in os.environ:
        return json.loads(os.environ[_GIVEN])
    return os.environ.get(VISIBLE)


def visible_gpus() -> list[str]:
    """Returns the GPUs that this command may use, as CUDA_VISIBLE_DEVICES names them."""
    given = given_gpus()
    if given is None:
        # CUDA numbers the GPUs it can see from 0, whatever their device files are called.
        return [str(i) for i, _ in enumerate(Path("/dev").glob("nvidia[0-9]*"))]
    return [name.strip() for name in given.split(",") if name.strip() not in ("", _NO_GPU)]


def gpu_of(task: Task | None) -> str | None:
    """Returns the GPU of a process on this machine; None if it is to use none.

    The workers of a machine take its GPUs in turn, in the order of their indices. The chief and the
    parameter servers do not compute.

    Args:
        task: the process; None: the chief of a local cluster.
    """
    if task is None or task.role != WORKER:
        return None
    gpus = visible_gpus()
    return gpus[_place(task) % len(gpus)] if gpus else None


def claim_gpu(task: Task | None) -> str | None:
    """Hides all GPUs but its own from this process; returns that one, None if none is known.

    Call it before TensorFlow is imported: a process that sees a GPU reserves memory on it.

    Args:
        task: as for `gpu_of`.
    """
    gpu, given = gpu_of(task), given_gpus()
    os.environ[_GIVEN] = json.dumps(given)
    if gpu is None and task is not None and task.role == WORKER:
        # There may be one that is no device file, as under WSL.
        os.environ.pop(VISIBLE, None)
        if given is not None:
            os.environ[VISIBLE] = given
    else:
        os.environ[VISIBLE] = gpu or _NO_GPU
    return gpu


def _place(task: Task) -> int:
    """Returns how many of the workers before this one are on its machine, by whatever name."""
    own, _ = host_and_port(task.address.lower())
    here: bool | None = None
    place = 0
    for address in task.addresses.workers[: task.index]:
        if host_and_port(address.lower())[0] == own:
            place += 1
            continue
        here = is_here(task.address) if here is None else here
        place += here and is_here(address)
    return place
