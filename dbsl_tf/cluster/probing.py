"""Checks the addresses of a cluster: their names, their ports, and whether servers answer.

TensorFlow itself waits an hour, or for ever, if one of these is wrong.
"""

from __future__ import annotations

import errno
import os
import socket
import time

from dbsl_tf.cluster.task import CHIEF, PARAMETER_SERVER, Task, host_and_port
from dbsl_tf.common.errors import UserError
from dbsl_tf.common.quiet import keep_logs_quiet

# Long enough for two retransmissions of a lost packet, after 1 s and another 2 s. The operating
# system accepts connections, so the speed of the listening process does not matter.
_CONNECTING_SECONDS = 5.0
# The smallest call of TensorFlow's protocol; its request has no fields.
_STATUS = "/tensorflow.WorkerService/GetStatus"


def probe(address: str, timeout: float = 1.0) -> None:
    """Requests the status of the server at `host:port`, as TensorFlow servers do of one another.

    Call `bypass_proxies` first.

    Args:
        address: of the server.
        timeout: seconds to wait for a connection, and again for an answer.

    Raises:
        OSError: nothing accepts connections there, or there is no answer in time: the server
            hangs, or is not a TensorFlow server.
    """
    socket.create_connection(host_and_port(address), timeout).close()
    keep_logs_quiet()
    import grpc

    with grpc.insecure_channel(address) as channel:
        try:
            channel.unary_unary(_STATUS)(b"", timeout=timeout)
        except grpc.RpcError as error:
            raise OSError(
                f"what listens there does not answer like a TensorFlow server: {error.code().name}"
            ) from error


def reachable(address: str) -> bool:
    """Returns whether something accepts connections at `host:port`; it may hang nevertheless."""
    try:
        socket.create_connection(host_and_port(address), _CONNECTING_SECONDS).close()
    except OSError:
        return False
    return True


def bypass_proxies(task: Task) -> None:
    """Makes gRPC connect to the cluster of `task` directly, past any web proxy.

    Call it before TensorFlow connects, and before servers are started, which inherit it.
    """
    hosts = {host_and_port(server.address)[0] for server in task.addresses.servers()}
    hosts.add(host_and_port(task.addresses.chief)[0])
    # gRPC reads no_proxy only where this variable is unset.
    kept = os.environ.get("no_grpc_proxy", os.environ.get("no_proxy", "")).split(",")
    os.environ["no_grpc_proxy"] = ",".join(sorted(hosts.union(filter(None, kept))))


def check_own_port(task: Task) -> None:
    """Checks that this process can listen on the port of `task`.

    TensorFlow listens on all addresses of a machine, so two processes of one machine need
    different ports, by whatever names the machine is listed.

    Raises:
        UserError: the port is in use, not allowed, or that of another process on this machine.
    """
    port = host_and_port(task.address)[1]
    for other in (Task(task.addresses, CHIEF, 0), *task.addresses.servers()):
        if other != task and host_and_port(other.address)[1] == port and is_here(other.address):
            raise UserError(
                f"TF_CONFIG gives {task.name} at {task.address} and {other.name} at "
                f"{other.address} the same port of this machine: give each its own"
            )
    try:
        socket.create_server(("", port)).close()
    except OSError as error:
        raise UserError(
            f"{task.name} cannot listen on port {port} of its address {task.address} in TF_CONFIG "
            f"({os.strerror(error.errno or 0)}): stop whatever uses the port, or choose another "
            "one for every process there"
        ) from error


def wait_for_names(task: Task, timeout: float) -> None:
    """Waits until the host names resolve that the server of `task` needs.

    These are its own, the chief's and those of the parameter servers. They may appear late: some
    cluster managers register a name only when its process starts.

    Args:
        task: a worker or a parameter server.
        timeout: seconds to wait for all of them together.

    Raises:
        UserError: a name does not resolve in time.
    """
    deadline = time.monotonic() + timeout
    needed = [Task(task.addresses, CHIEF, 0), task]
    needed += [server for server in task.addresses.servers() if server.role == PARAMETER_SERVER]
    for other in needed:
        host, port = host_and_port(other.address)
        while True:
            try:
                socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise UserError(
                        f"{task.name} cannot resolve the host {host!r} of {other.name} within "
                        f"cluster.connect_timeout={timeout:g} s ({error.strerror}): correct the "
                        "address in TF_CONFIG, or the name service of this machine"
                    ) from error
                time.sleep(min(0.5, timeout))


def is_here(address: str) -> bool:
    """Returns whether the host of `host:port` is this machine, judged by its interfaces.

    A host whose name does not resolve is not this machine.
    """
    host, _ = host_and_port(address)
    try:
        resolved = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    except OSError:
        return False
    for family, kind, _, _, found in resolved:
        try:
            with socket.socket(family, kind) as opened:
                opened.bind(found)
            return True
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                return True
    return False
