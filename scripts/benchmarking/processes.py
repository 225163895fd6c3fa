"""Processes of a peer: each with its role and cores, and none that outlives its parent."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from dbsl_tf.common.cores import available_cores

# Environment variable: what the memory of a process is reported under.
ROLE = "BENCHMARK_ROLE"
GO = "go"
READY = "ready"


def start(
    command: Sequence[str],
    role: str,
    cores: Sequence[int] = (),
    environment: dict[str, str] | None = None,
    **pipes: Any,
) -> subprocess.Popen:
    """Start a Python process.

    Args:
        command: arguments of Python.
        role: what it is, such as "worker".
        cores: that it may use; empty: all.
        environment: what differs from this process's.
        **pipes: `stdin`, `stdout` and `stderr` of Popen.
    """

    def prepare() -> None:
        if sys.platform == "linux":
            set_parent_death_signal = 1
            ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
        if cores:
            os.sched_setaffinity(0, cores)

    return subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, ROLE: role, **(environment or {})},
        preexec_fn=prepare,
        text=True,
        **pipes,
    )


def cores_of(worker: int, workers: int) -> list[int]:
    """The cores that dbsl_tf's local cluster gives this worker."""
    cores = available_cores()
    share = len(cores) // workers
    return cores[worker * share : (worker + 1) * share] if share else []


def use_threads() -> int:
    """Have TensorFlow use as many threads as this process has cores; that number."""
    import tensorflow as tf

    count = len(available_cores())
    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(count)
    return count


def run_workers(module: str, arguments: Sequence[str], workers: int, **environment: str) -> list:
    """Run one process for each worker, let all begin together; what each printed as JSON.

    Each process is `python -m module ARGUMENTS --worker INDEX` and calls `wait_for_others` before
    its first mini-epoch.

    Raises:
        SystemExit: one of them failed.
    """
    processes = [
        start(
            ["-m", module, *arguments, "--worker", str(worker)],
            "worker",
            cores_of(worker, workers),
            environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for worker in range(workers)
    ]
    for process in processes:
        if process.stdout.readline().strip() != READY:
            sys.exit(f"error: a worker of {module} could not start")
    for process in processes:
        print(GO, file=process.stdin, flush=True)
    return [json.loads(process.communicate()[0]) for process in processes]


def wait_for_others() -> None:
    """In a worker of `run_workers`: say that everything is loaded, and wait for the others."""
    print(READY, flush=True)
    if sys.stdin.readline().strip() != GO:
        sys.exit("error: the signal to begin never came")


def print_result(mini_epochs: Sequence[dict], first_step: float, model_bytes: int) -> None:
    """Print what a peer measured, as `measurements.measure` reads it, in one line.

    Args:
        mini_epochs: `worker`, `started` (Unix time in seconds) and `samples` of each.
        first_step: when everything was loaded and traced, Unix time in seconds.
        model_bytes: size of the weights and statistics.
    """
    result = {
        "mini_epochs": list(mini_epochs),
        "first_step": first_step,
        "model_bytes": int(model_bytes),
    }
    print(json.dumps(result), flush=True)
