"""Runs part of a test against a real cluster in a process of its own.

Connecting to a cluster changes TensorFlow's context for good, so no other test may share the
process.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from queue import Empty
from typing import Any


def on_cluster(
    function: Callable[..., Any],
    *arguments: Any,
    workers: int,
    parameter_servers: int = 1,
    timeout: float = 120,
) -> Any:
    """`function(engine, *arguments)` on a local cluster of real servers; its picklable result.

    `function` must be at the top level of its module and return plain or numpy values.
    """
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(
        target=_run, args=(results, function, arguments, workers, parameter_servers)
    )
    process.start()
    try:
        succeeded, result = results.get(timeout=timeout)
    except Empty:
        raise AssertionError(f"{function.__name__} gave no result in {timeout} s") from None
    finally:
        process.join(10)
        process.kill()
    if not succeeded:
        raise AssertionError(result)
    return result


def signal_own_worker(index: int, number: int = signal.SIGKILL) -> None:
    """Inside `on_cluster`: send a worker of its cluster a signal; it is not started again."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            environment = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        for entry in environment:
            name, _, value = entry.partition(b"=")
            if parent == os.getpid() and name == b"TF_CONFIG":
                if json.loads(value)["task"] == {"type": "worker", "index": index}:
                    os.kill(int(process.name), number)
                    return
    raise AssertionError(f"worker {index} is not there")


def _run(
    results: Any, function: Callable[..., Any], arguments: Any, workers: int, parameter_servers: int
) -> None:
    from dbsl_tf.cluster.connecting import wait_for_servers
    from dbsl_tf.cluster.local import LocalCluster
    from dbsl_tf.common.quiet import import_tensorflow_quietly

    try:
        with (
            tempfile.TemporaryDirectory() as logs,
            LocalCluster(workers, parameter_servers, Path(logs)) as cluster,
        ):
            import_tensorflow_quietly()
            wait_for_servers(cluster.task, 60)
            from dbsl_tf.engine.engine import Engine

            results.put((True, function(Engine(cluster.task), *arguments)))
            results.close()
            results.join_thread()
    except BaseException:
        results.put((False, traceback.format_exc()))
