"""A network of its own for this process: Linux network namespaces, without any privilege.

`python -m dbsl_tf.cluster.namespaces COMMAND ARGUMENT...` turns into COMMAND, whose processes
reach each other at 127.0.0.1, and which nobody else can reach. If the system refuses that, it is
an error or, with `--try` before COMMAND, COMMAND is started without isolation.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

# <linux/sched.h>
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
# A user namespace grants unprivileged processes the right to a network namespace.
_WAYS = (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET)
# <linux/sockios.h>, <linux/if.h>; a request is the name of the interface and its flags.
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_IFF_UP = 1
_REQUEST = struct.Struct("16sh22x")
_SETTINGS_THAT_REFUSE = {
    "user.max_user_namespaces": "0",
    "user.max_net_namespaces": "0",
    "kernel.unprivileged_userns_clone": "0",
    "kernel.apparmor_restrict_unprivileged_userns": "1",
}
TRY = "--try"
# Environment variable: the network namespace whose isolation is already decided.
SETTLED = "DBSL_TF_SETTLED_NETWORK"


THREADS = "other threads run in this process"


class Refused(Exception):
    """The system grants no network namespace; the message briefly says why."""


def usable_way() -> int:
    """Returns how `enter` can work on this system, which a child process tries out.

    A process cannot leave a namespace again, and some systems, such as Ubuntu 24.04, grant one in
    which nothing is allowed.

    Raises:
        Refused: there is no way to a network namespace with a working loopback.
    """
    if not sys.platform.startswith("linux"):
        raise Refused(f"{sys.platform} has no network namespaces")
    reason = ""
    for way in _WAYS:
        failure = _failure_in_child(way)
        if failure is None:
            return way
        reason = failure
    settings = [f"{name}={value}" for name, value in _SETTINGS_THAT_REFUSE.items()
                if _setting(name) == value]  # fmt: skip
    raise Refused("; ".join([reason, *settings]))


def enter(way: int) -> None:
    """Moves this process into a network namespace with nothing but loopback, for good.

    Its files, terminal, process number, user and group remain the same. Children inherit the
    namespace; threads already running would not, so there must be none.

    Args:
        way: from `usable_way`.

    Raises:
        Refused: a step failed, or this process has other threads.
    """
    if has_threads():
        raise Refused(THREADS)
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(way) != 0:
        raise Refused(f"unshare: {os.strerror(ctypes.get_errno())}")
    step = "user and group"
    try:
        if way & _CLONE_NEWUSER:
            # An unprivileged process may map its group only once it has given up setgroups.
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        step = "loopback"
        _start_loopback()
    except OSError as error:
        raise Refused(f"{step} in the namespace: {error.strerror}") from error
    settle()


def settle() -> None:
    """Records that this process and its children are to stay in their present network."""
    os.environ[SETTLED] = _network() or ""


def settled() -> bool:
    """Returns whether this process or a parent called `settle` in the present network."""
    return bool(_network()) and os.environ.get(SETTLED) == _network()


def has_threads() -> bool:
    """Returns whether this process has more than one thread, so that `enter` refuses."""
    return len(os.listdir("/proc/self/task")) > 1


def _failure_in_child(way: int) -> str | None:
    """Returns why a child could not use its loopback; None if it could."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            try:
                enter(way)
                _use_loopback()
                os.write(writing, b"works")
            except Refused as refusal:
                os.write(writing, str(refusal).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    if answer == "works":
        return None
    return answer or "unshare: the process was ended"


def _start_loopback() -> None:
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, _REQUEST.pack(b"lo", 0))
        _, flags = _REQUEST.unpack(answer)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, _REQUEST.pack(b"lo", flags | _IFF_UP))


def _use_loopback() -> None:
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), timeout=5).close()
    except OSError as error:
        raise Refused(f"loopback in the namespace: {error.strerror or error}") from error


def _network() -> str | None:
    """Returns the identity of the network namespace of this process; None if there are none."""
    try:
        return os.readlink("/proc/self/ns/net")
    except OSError:
        return None


def _setting(name: str) -> str | None:
    try:
        return Path("/proc/sys", *name.split(".")).read_text().strip()
    except OSError:
        return None


def main(arguments: Sequence[str]) -> None:
    """Becomes the command in `arguments`, in a network of its own."""
    optional = arguments[:1] == [TRY]
    command = list(arguments[optional:])
    if not command:
        sys.exit(f"usage: python -m dbsl_tf.cluster.namespaces [{TRY}] COMMAND [ARGUMENT...]")
    try:
        enter(usable_way())
    except Refused as refusal:
        if not optional:
            sys.exit(f"error: no network namespace for {command[0]} ({refusal})")
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"error: {command[0]} cannot be started ({error.strerror})")


if __name__ == "__main__":
    main(sys.argv[1:])
