"""Runs parts of tests against real clusters, in processes of their own.

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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.support.patience import at_most

# Seconds that the longest of these parts usually takes, its cluster's start included.
_USUAL_SECONDS = 30


class ClusterProcess:
    """A local cluster of real servers and the process that coordinates it."""

    def __init__(self, workers: int, parameter_servers: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, workers, parameter_servers), daemon=True
        )
        self._process.start()
        theirs.close()

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """See `on_cluster`."""
        self._connection.send((function, arguments))
        limit = at_most(_USUAL_SECONDS)
        assert self._connection.poll(limit), f"{function.__name__} gave no result in {limit:.0f} s"
        succeeded, result = self._connection.recv()
        assert succeeded, result
        return result

    def end(self) -> None:
        """End the servers and the process; more roughly where they do not end by themselves."""
        self._connection.close()
        self._process.join(at_most(1))
        self._process.kill()


# The cluster that tests share: its workers and parameter servers.
SHARED_WORKERS, SHARED_PARAMETER_SERVERS = 2, 2
_shared: list[ClusterProcess] = []


def on_shared_cluster(function: Callable[..., Any], *arguments: Any) -> Any:
    """`function(engine, *arguments)` on a cluster that is kept for further tests of this process.

    Tests that use it are marked with `xdist_group("shared cluster")`, so that it is started once.
    It must be left as it was found: who kills a server takes `on_cluster`.

    Args:
        function: at the top level of its module; returns plain or numpy values.
        arguments: of the function, picklable.
    """
    if not _shared:
        _shared.append(ClusterProcess(SHARED_WORKERS, SHARED_PARAMETER_SERVERS))
    try:
        return _shared[0].run(function, *arguments)
    except BaseException:
        # In whatever state it is now, no other test shall find it.
        end_shared_cluster()
        raise


def end_shared_cluster() -> None:
    """End the shared cluster, if there is one."""
    while _shared:
        _shared.pop().end()


def on_cluster(
    function: Callable[..., Any], *arguments: Any, workers: int, parameter_servers: int = 1
) -> Any:
    """`function(engine, *arguments)` on a cluster of its own; see `on_shared_cluster`."""
    with _own_cluster(workers, parameter_servers) as cluster:
        return cluster.run(function, *arguments)


@contextmanager
def _own_cluster(workers: int, parameter_servers: int) -> Iterator[ClusterProcess]:
    cluster = ClusterProcess(workers, parameter_servers)
    try:
        yield cluster
    finally:
        cluster.end()


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


def _serve(connection: Connection, workers: int, parameter_servers: int) -> None:
    from dbsl_tf.cluster.connecting import wait_for_servers
    from dbsl_tf.cluster.local import LocalCluster
    from dbsl_tf.common.quiet import import_tensorflow_quietly

    with tempfile.TemporaryDirectory() as logs:
        try:
            with LocalCluster(workers, parameter_servers, Path(logs)) as cluster:
                import_tensorflow_quietly()
                wait_for_servers(cluster.task, at_most(10))
                from dbsl_tf.engine.engine import Engine

                engine = Engine(cluster.task)
                while True:
                    function, arguments = connection.recv()
                    try:
                        result = True, function(engine, *arguments)
                    except Exception:
                        result = False, traceback.format_exc()
                    connection.send(result)
        except EOFError:
            pass
        except BaseException:
            connection.send((False, traceback.format_exc()))
    # At its usual end Python would wait for threads that wait for the servers.
    os._exit(0)
