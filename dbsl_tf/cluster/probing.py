"""Whether the addresses of a cluster can be used: their names, their ports, and who answers.

TensorFlow itself waits an hour, or for ever, where one of these is wrong.
"""

from __future__ import annotations

import errno
import os
import socket
import time

from dbsl_tf.cluster.task import CHIEF, PARAMETER_SERVER, Task, host_and_port
from dbsl_tf.common.errors import UserError

# Long enough for a lost packet to be sent again twice, after 1 s and 2 s more. It is the system
# that accepts, so the speed of the process that listens does not matter.
_CONNECTING_SECONDS = 5.0
# The smallest question of TensorFlow's protocol; its request has no fields.
_STATUS = "/tensorflow.WorkerService/GetStatus"


def probe(address: str, timeout: float = 1.0) -> None:
    """Asks what listens at `host:port` for its status, as one TensorFlow server asks another.

    Call `bypass_proxies` before.

    Args:
        address: where to ask.
        timeout: seconds to wait for a connection, and again for an answer.

    Raises:
        OSError: nothing accepts connections there, or what does gives no answer in time: it is
            hung, or no TensorFlow server.
    """
    socket.create_connection(host_and_port(address), timeout).close()
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
    """Makes gRPC connect to the cluster of `task` directly, whatever web proxy the environment
    names.

    Call it before TensorFlow connects, and before servers are started that are to inherit it.
    """
    hosts = {host_and_port(server.address)[0] for server in task.addresses.servers()}
    hosts.add(host_and_port(task.addresses.chief)[0])
    # gRPC reads no_proxy only where this variable is unset.
    kept = os.environ.get("no_grpc_proxy", os.environ.get("no_proxy", "")).split(",")
    os.environ["no_grpc_proxy"] = ",".join(sorted(hosts.union(filter(None, kept))))


def check_own_port(task: Task) -> None:
    """Checks that this process can listen on the port of `task`.

    TensorFlow listens at a port of all of a machine's addresses, so two processes of a machine
    need two ports, whichever names of the machine they have.

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
    """Waits until the names resolve that the server of `task` needs: its own, the chief's and the
    parameter servers'.

    Names may appear late: where a cluster manager gives them, only with the process.

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
    """Returns whether the host of `host:port` is this machine, by its own interfaces.

    A host whose name does not resolve is not.
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
