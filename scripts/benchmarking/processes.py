"""Starts the processes of a peer, each with its role and cores; none outlives its parent."""

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

# Environment variable with the name under which the memory of a process is reported.
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
    """Starts a Python process.

    Args:
        command: the arguments of Python.
        role: its role, such as "worker".
        cores: the cores that it may use; empty: all.
        environment: variables that differ from this process's environment.
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
    """Returns the cores that dbsl_tf's local cluster gives this worker."""
    cores = available_cores()
    share = len(cores) // workers
    return cores[worker * share : (worker + 1) * share] if share else []


def use_threads() -> int:
    """Makes TensorFlow use as many threads as this process has cores; returns that number."""
    import tensorflow as tf

    count = len(available_cores())
    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(count)
    return count


def run_workers(module: str, arguments: Sequence[str], workers: int, **environment: str) -> list:
    """Runs one process for each worker, which begin together; returns what each printed as JSON.

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
        if read_line(process) != READY:
            sys.exit(f"error: a worker of {module} could not start")
    for process in processes:
        print(GO, file=process.stdin, flush=True)
    outputs = [process.communicate()[0] for process in processes]
    for process in processes:
        if process.returncode:
            sys.exit(f"error: a worker of {module} ended with status {process.returncode}")
    return [json.loads(output) for output in outputs]


def read_line(process: subprocess.Popen) -> str:
    """Returns the next line that a process prints, stripped; its standard output is a pipe."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def wait_for_others() -> None:
    """Reports in a worker of `run_workers` that everything is loaded, and waits for the others."""
    print(READY, flush=True)
    if sys.stdin.readline().strip() != GO:
        sys.exit("error: the signal to begin was never received")


def print_result(mini_epochs: Sequence[dict], first_step: float, model_bytes: int) -> None:
    """Prints a peer's measurements in one line, for `measurements.measure`.

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
