"""Runs a peer in its own network, and measures what all its processes use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from scripts.benchmarking.measurements import Sample
from scripts.benchmarking.processes import ROLE, start

SAMPLE_SECONDS = 0.5
_ROLES = {"ps": "server"}
_NAMESPACE = ("-m", "dbsl_tf.cluster.namespaces")


class PeerFailed(Exception):
    """A peer ended without a result; the message says why."""


@dataclass
class Watched:
    """The output and resource use of one run of a peer.

    Attributes:
        printed: its JSON output.
        began: when it was started, Unix time in seconds.
        samples: CPU seconds and bytes of all its processes over time.
        peak_bytes: largest resident memory of one process of each role.
        own_network: whether the bytes are those of this peer alone.
    """

    printed: dict = field(default_factory=dict)
    began: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    peak_bytes: dict[str, int] = field(default_factory=dict)
    own_network: bool = False


def run_peer(command: list[str], timeout: float, network_gbit: float | None = None) -> Watched:
    """Runs a peer to its end, for at most `timeout` seconds; leaves no process running.

    Args:
        command: the arguments of Python.
        timeout: the limit in seconds.
        network_gbit: the speed of the link between its processes, Gbit/s; None: that of loopback.

    Raises:
        PeerFailed: it failed, or took too long.
    """
    watched = Watched(began=time.time())
    if network_gbit is None:
        wrapped = [*_NAMESPACE, "--try", sys.executable, *command]
    else:
        # Never the machine's own loopback.
        link = [sys.executable, "-m", "scripts.benchmarking.link", str(network_gbit)]
        wrapped = [*_NAMESPACE, *link, sys.executable, *command]
    with tempfile.TemporaryFile("w+") as messages:
        process = start(
            wrapped,
            "main",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=messages,
        )
        watcher = _Watcher(process.pid, watched)
        watcher.start()
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise PeerFailed(f"not done within {timeout:g} s") from error
        finally:
            watcher.finish()
        lines = output.strip().splitlines()
        if process.returncode or not lines:
            messages.seek(0)
            said = " ".join(messages.read().split())[-500:]
            raise PeerFailed(f"status {process.returncode}: {said}")
    watched.printed = json.loads(lines[-1])
    return watched


class _Watcher(threading.Thread):
    """Samples a tree of processes until `finish`, which ends the remaining ones."""

    def __init__(self, root: int, watched: Watched) -> None:
        super().__init__(daemon=True)
        self._root = psutil.Process(root)
        self._watched = watched
        self._seconds: dict[psutil.Process, float] = {}
        self._roles: dict[psutil.Process, str] = {}
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            try:
                self._sample()
            except (psutil.NoSuchProcess, OSError):
                continue

    def finish(self) -> None:
        """Stops sampling and kills every process of the tree."""
        self._done.set()
        self.join(10)
        for process in {*self._seconds, *tree(self._root)}:
            try:
                # psutil distinguishes a process from a later one with the same ID.
                process.kill()
                process.wait(10)
            except (psutil.NoSuchProcess, psutil.TimeoutExpired):
                continue

    def _sample(self) -> None:
        for process in tree(self._root):
            try:
                times = process.cpu_times()
                self._seconds[process] = times.user + times.system
                if self._roles.get(process, "main") == "main":
                    self._roles[process] = _role(process)
                role = self._roles[process]
                peak = max(self._watched.peak_bytes.get(role, 0), _peak_bytes(process.pid))
                self._watched.peak_bytes[role] = peak
            except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
                continue
        network = os.readlink(f"/proc/{self._root.pid}/ns/net")
        self._watched.own_network = network != os.readlink("/proc/self/ns/net")
        self._watched.samples.append(
            Sample(
                time.time(),
                sum(self._seconds.values()),
                _loopback_bytes(self._root.pid),
                _machine_seconds(),
            )
        )


def tree(root: psutil.Process) -> list[psutil.Process]:
    """Returns a process and all below it; none if it has ended."""
    try:
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _role(process: psutil.Process) -> str:
    """Returns the role from TF_CONFIG, which TensorFlow's servers have, or as set by the peer."""
    environment = process.environ()
    if "TF_CONFIG" in environment:
        role = json.loads(environment["TF_CONFIG"])["task"]["type"]
        return _ROLES.get(role, role)
    return environment.get(ROLE, "main")


def _machine_seconds() -> float:
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    # The time of guests is included in that of their processes.
    return sum(times) - idle - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)


def _peak_bytes(process: int) -> int:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return 0


def _loopback_bytes(process: int) -> int:
    """Returns the bytes sent over loopback in a process's network, TCP headers included."""
    for line in Path(f"/proc/{process}/net/dev").read_text().splitlines():
        name, _, counters = line.partition(":")
        if name.strip() == "lo":
            return int(counters.split()[8])
    return 0
