"""Makes the connections between the processes of a cluster outlast a cut of the network.

TensorFlow leaves them as they are by default: a server closes a connection on which nothing has
been acknowledged for 20 s, of which the other side learns nothing while the network is cut, so that
it waits for ever; and after a cut of a minute, nothing is sent for up to another minute.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Collection
from contextlib import suppress

from dbsl_tf.cluster.task import Task, host_and_port

# How long a connection lasts on which nothing is acknowledged, in seconds.
LONGEST_CUT = 120
# Of a connection on which nothing is sent: what waits for an answer on one that the other side has
# closed notices it after so many seconds.
_IDLE = 10
# The longest pause between two attempts to send lost packets again, in milliseconds.
_LONGEST_PAUSE = 2000
# <linux/tcp.h>, from Linux 6.15 on; `socket` does not name it.
_TCP_RTO_MAX_MS = 44
_PERIOD = 1.0
_DESCRIPTORS = "/proc/self/fd"


def keep_connections(task: Task) -> None:
    """Sets up all connections of this process with the cluster, now and in future (Linux only).

    Args:
        task: of this process.
    """
    if os.path.isdir(_DESCRIPTORS):
        addresses = task.addresses
        servers = [addresses.chief, *(server.address for server in addresses.servers())]
        ports = {host_and_port(address)[1] for address in servers}
        threading.Thread(target=_watch, args=(ports,), name="connections", daemon=True).start()


def _watch(ports: Collection[int]) -> None:
    known: set[str] = set()
    while True:
        known = _set_up(ports, known)
        time.sleep(_PERIOD)


def _set_up(ports: Collection[int], known: Collection[str]) -> set[str]:
    """Sets up the connections from or to these ports that are not known; returns all sockets."""
    found = set()
    for descriptor in os.listdir(_DESCRIPTORS):
        # Any of them may be closed at any moment.
        with suppress(OSError):
            name = os.readlink(f"{_DESCRIPTORS}/{descriptor}")
            if not name.startswith("socket:"):
                continue
            if name not in known:
                with socket.socket(fileno=os.dup(int(descriptor))) as connection:
                    _set_up_one(connection, ports)
            found.add(name)
    return found


def _set_up_one(connection: socket.socket, ports: Collection[int]) -> None:
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    ends = (connection.getsockname(), connection.getpeername())
    if not any(port in ports for _, port, *_ in ends):
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, _IDLE),
        (socket.TCP_KEEPINTVL, _IDLE),
        (socket.TCP_KEEPCNT, LONGEST_CUT // _IDLE),
        (socket.TCP_USER_TIMEOUT, 1000 * LONGEST_CUT),
        (_TCP_RTO_MAX_MS, _LONGEST_PAUSE),
    ):
        # Older kernels do not know all of them.
        with suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
