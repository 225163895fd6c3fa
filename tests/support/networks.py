"""Who listens where and who can connect: the view from inside and outside a network namespace."""

from __future__ import annotations

import ctypes
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from ipaddress import IPv6Address
from pathlib import Path

import pytest

_CLONE_NEWUSER = 0x10000000
_LISTENING = "0A"
ROOT = Path(__file__).resolve().parents[2]


def become_plain_user() -> None:
    """As a `preexec_fn`: give the child a user number without any privilege, also for root."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"1000 {user} 1")
    Path("/proc/self/gid_map").write_text(f"1000 {group} 1")


def become_plain_user_without_namespaces() -> None:
    """As a `preexec_fn`: a plain user on a system that allows no further namespaces."""
    become_plain_user()
    for kind in ("user", "net"):
        Path(f"/proc/sys/user/max_{kind}_namespaces").write_text("0")


@cache
def silent_isolation() -> str:
    """The `cluster.isolation` of runs that are about something else: off where auto would warn."""
    probe = [sys.executable, "-m", "dbsl_tf.cluster.namespaces", "true"]
    refused = subprocess.run(probe, cwd=ROOT, check=False, stderr=subprocess.DEVNULL).returncode
    return "off" if refused else "auto"


@cache
def skip_without_namespaces() -> None:
    """Skip where the system itself has no namespaces to give, to us or to a plain user."""
    commands = (["-m", "dbsl_tf.cluster.namespaces", "true"], ["-c", ""])
    for arguments, before in zip(commands, (None, become_plain_user)):
        try:
            subprocess.run(
                [sys.executable, *arguments], cwd=ROOT, check=True, preexec_fn=before, stderr=-1
            )
        except (subprocess.SubprocessError, OSError) as error:
            pytest.skip(f"this system gives no namespaces: {error}")


def network_of(pid: int) -> str:
    return os.readlink(f"/proc/{pid}/ns/net")


def listening_ports(pid: int) -> set[int]:
    """The TCP ports on which the process `pid` itself listens, in its own network."""
    own = _sockets(pid)
    return {port for port, inode in _listeners(pid) if inode in own}


def ports_of_others(pids: Iterable[int]) -> set[int]:
    """The TCP ports of this process's network on which none of the processes `pids` listens."""
    theirs = set().union(*map(_sockets, pids))
    return {port for port, inode in _listeners(os.getpid()) if inode not in theirs}


def _sockets(pid: int) -> set[str]:
    """The inodes of the sockets of a process."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(descriptor))
        except FileNotFoundError:  # closed meanwhile
            continue
        if found:
            inodes.add(found[1])
    return inodes


def _listeners(pid: int) -> Iterator[tuple[int, str]]:
    """The TCP ports on which anybody listens in the network of a process, with their inodes."""
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENING:
                yield int(fields[1].rpartition(":")[2], 16), fields[9]


def own_addresses() -> list[str]:
    """Every address of this machine, 127.0.0.1 and ::1 among them, but for link-local ones."""
    routes = Path("/proc/self/net/fib_trie").read_text()
    addresses = {"127.0.0.1", *re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", routes)}
    if (table := Path("/proc/self/net/if_inet6")).exists():
        for line in table.read_text().splitlines():
            digits, _, _, scope, *_ = line.split()
            if scope in ("00", "10"):  # global, host
                addresses.add(str(IPv6Address(bytes.fromhex(digits))))
    return sorted(addresses)


def answers(address: str, port: int) -> bool:
    """Whether a connection from this process's network is accepted."""
    try:
        socket.create_connection((address, port), timeout=3).close()
    except OSError:
        return False
    return True


def answers_inside(pid: int, port: int) -> bool:
    """Whether 127.0.0.1:`port` accepts a connection in the network of the process `pid`."""
    program = """
import ctypes, os, socket, sys
pid, port = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
for kind in ("user", "net"):
    theirs = f"/proc/{pid}/ns/{kind}"
    if os.readlink(theirs) != os.readlink(f"/proc/self/ns/{kind}"):
        if libc.setns(os.open(theirs, os.O_RDONLY), 0) != 0:
            sys.exit(f"setns {kind}: {os.strerror(ctypes.get_errno())}")
try:
    socket.create_connection(("127.0.0.1", int(port)), timeout=3).close()
except OSError:
    print("refused")
else:
    print("accepted")
"""
    command = [sys.executable, "-c", program, str(pid), str(port)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout.strip() == "accepted"
