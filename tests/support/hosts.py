"""Hosts of one network, as network namespaces of this machine, whose links a test can cut."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

_numbers = itertools.count()
# Lost packets are sent again so many times, for about 3 s in place of 15 minutes.
_RETRIES = 3
# The address of no network card.
_NOBODY = "02:00:00:00:00:01"


class Hosts:
    """A switch, and hosts at it with the addresses 10.0.0.1, 10.0.0.2 and so on.

    Args:
        count: how many hosts.
        delay: seconds that whatever a host sends takes to arrive.
        loss: share of the packets that a host sends which are lost.
    """

    def __init__(self, count: int, *, delay: float = 0.0, loss: float = 0.0) -> None:
        prefix = f"dbsl{os.getpid()}n{next(_numbers)}"
        self.addresses = [f"10.0.0.{number + 1}" for number in range(count)]
        self._switch = f"{prefix}s"
        self._names = [f"{prefix}h{number}" for number in range(count)]
        self._made: list[str] = []
        self._wires: subprocess.Popen[str] | None = None
        try:
            self._make(delay, loss)
        except BaseException:
            self.remove()
            raise

    def _make(self, delay: float, loss: float) -> None:
        for name in (self._switch, *self._names):
            _ip("netns", "add", name)
            self._made.append(name)
        if delay or loss:
            self._wires = _wires(self._switch, self._names, delay, loss)
        _ip("-n", self._switch, "link", "add", "switch", "type", "bridge")
        _ip("-n", self._switch, "link", "set", "switch", "up")
        for number, name in enumerate(self._names):
            if self._wires is None:
                there = ("peer", "name", "eth0", "netns", name)
                _ip("-n", self._switch, "link", "add", f"port{number}", "type", "veth", *there)
            _ip("-n", self._switch, "link", "set", f"port{number}", "master", "switch", "up")
            _ip("-n", name, "address", "add", f"{self.addresses[number]}/24", "dev", "eth0")
            for link in ("lo", "eth0"):
                _ip("-n", name, "link", "set", link, "up")

    def on(self, host: int) -> Sequence[str]:
        """What to put before a command to run it on a host."""
        return ("ip", "netns", "exec", self._names[host])

    def cut(self, one: int, other: int) -> None:
        """Let two hosts no longer reach each other; all others still reach both."""
        for here, there in ((one, other), (other, one)):
            setting = f"echo {_RETRIES} > /proc/sys/net/ipv4/tcp_retries2"
            subprocess.run([*self.on(here), "sh", "-c", setting], check=True)
            _ip("-n", self._names[here], "route", "add", "unreachable", self.addresses[there])

    def join(self, one: int, other: int) -> None:
        """Let two hosts reach each other again."""
        for here, there in ((one, other), (other, one)):
            _ip("-n", self._names[here], "route", "del", "unreachable", self.addresses[there])

    def lose(self, one: int, other: int) -> None:
        """Let all packets between two hosts be lost, of which neither is told."""
        for here, there in ((one, other), (other, one)):
            lost = (self.addresses[there], "lladdr", _NOBODY, "nud", "permanent", "dev", "eth0")
            _ip("-n", self._names[here], "neighbor", "replace", *lost)

    def unplug(self, host: int) -> None:
        """Pull the cable of a host."""
        _ip("-n", self._switch, "link", "set", f"port{host}", "down")

    def plug(self, host: int) -> None:
        """Put the cable of a host back."""
        _ip("-n", self._switch, "link", "set", f"port{host}", "up")

    def remove(self) -> None:
        """Remove all of it; the processes on the hosts have ended."""
        if self._wires is not None:
            self._wires.communicate()
        while self._made:
            _ip("netns", "delete", self._made.pop())


@cache
def skip_without_hosts(disturbed: bool = False) -> None:
    """Skip where this process may not make network namespaces with links between them.

    Args:
        disturbed: the links are to delay or lose what is sent.
    """
    try:
        Hosts(2, delay=0.001 if disturbed else 0.0).remove()
    except (subprocess.SubprocessError, OSError) as error:
        reason = getattr(error, "stderr", None) or error
        pytest.skip(f"no hosts can be made here: {reason}")


def _wires(switch: str, hosts: Sequence[str], delay: float, loss: float) -> subprocess.Popen[str]:
    module = [sys.executable, "-m", "tests.support.wires", switch, *hosts]
    wires = subprocess.Popen(
        [*module, f"--delay={delay}", f"--loss={loss}"],
        cwd=Path(__file__).resolve().parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert wires.stdout is not None
    if wires.stdout.readline() != "ready\n":
        _, errors = wires.communicate()
        raise OSError(errors)
    return wires


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
