"""The connections of a cluster are set up to outlast a cut; sockets, no cluster."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from dbsl_tf.cluster import connections
from dbsl_tf.cluster.connections import LONGEST_CUT, keep_connections
from dbsl_tf.cluster.task import ClusterAddresses, Task
from tests.support.patience import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists its sockets")


def lasts(connection: socket.socket) -> float:
    """For how many seconds nothing need be acknowledged; 0: the system decides."""
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) / 1000


def probes(connection: socket.socket) -> bool:
    """Whether it notices that the other side has closed it, even if nothing is sent."""
    return bool(connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_both_ends_are_set_up_however_late_they_are_made(family, monkeypatch) -> None:
    monkeypatch.setattr(connections, "_PERIOD", 0.01)
    host = "127.0.0.1" if family == socket.AF_INET else "::1"
    with (
        socket.create_server((host, 0), family=family) as server,
        socket.create_server((host, 0), family=family) as of_others,
    ):
        port = server.getsockname()[1]
        keep_connections(Task(ClusterAddresses("a:1", ("b:2",), (f"c:{port}",)), "chief", 0))
        for listening, kept in ((server, True), (of_others, False), (server, True)):
            with socket.create_connection(listening.getsockname()[:2]) as client:
                there, _ = listening.accept()
                with there:
                    if kept:
                        wait_until(lambda: lasts(client) and lasts(there), 1)  # noqa: B023
                    ends = [(lasts(end), probes(end)) for end in (client, there)]
                    assert ends == [(LONGEST_CUT, True) if kept else (0, False)] * 2
                    client.sendall(b"still blocking")
                    assert there.recv(100) == b"still blocking"


def test_it_holds_no_process_up() -> None:
    program = (
        "from dbsl_tf.cluster.connections import keep_connections\n"
        "from dbsl_tf.cluster.task import ClusterAddresses, Task\n"
        "keep_connections(Task(ClusterAddresses('a:1', ('b:2',), ('c:3',)), 'worker', 0))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
