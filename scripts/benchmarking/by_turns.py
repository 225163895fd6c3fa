"""Measures dbsl_tf and its bare loop by turns of some seconds, so that both meet the same machine.

    python -m scripts.benchmarking.by_turns --config FILE [--mini-epochs N] [key=value ...]

A shared machine may be 5 % slower some minutes later, which hides smaller differences between runs
one after the other. Here both run at once on the same cores, but while one of them runs, the other
is stopped with all its processes; the time for which a peer was stopped does not count.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

import psutil

from scripts.benchmarking.measurements import by_worker
from scripts.benchmarking.processes import start
from scripts.benchmarking.supervision import tree
from scripts.benchmarking.workload import parse_workload, peer_parser

MODULES = {"ceiling": "scripts.benchmarking.ceiling", "dbsl_tf": "scripts.benchmarking.product"}


class Stopwatch:
    """A clock that does not count the time for which it was stopped.

    Example:
        >>> clock = Stopwatch()
        >>> clock.stop(10.0)
        >>> clock.go_on(14.0)
        >>> clock.at(9.0), clock.at(12.0), clock.at(15.0)
        (9.0, 10.0, 11.0)
    """

    def __init__(self) -> None:
        self._stopped: list[float] = []
        self._went_on: list[float] = []

    def stop(self, moment: float) -> None:
        """Stops at this moment, Unix time in seconds."""
        self._stopped.append(moment)

    def go_on(self, moment: float) -> None:
        """Goes on at this moment, if it is stopped."""
        if len(self._went_on) < len(self._stopped):
            self._went_on.append(moment)

    def at(self, moment: float) -> float:
        """Returns `moment` less the time for which it had been stopped by then, in seconds."""
        ends = [*self._went_on, moment]
        pauses = zip(self._stopped, ends)
        return moment - sum(max(0.0, min(end, moment) - begin) for begin, end in pauses)


class Peer:
    """One of the programs that take turns."""

    def __init__(self, name: str, arguments: Sequence[str]) -> None:
        self.name = name
        self.clock = Stopwatch()
        self._process = start(
            ["-m", MODULES[name], *arguments],
            "main",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )

    @property
    def runs(self) -> bool:
        """Whether it has not ended yet, stopped or not."""
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to all its processes."""
        with suppress(psutil.NoSuchProcess):
            for process in tree(psutil.Process(self._process.pid)):
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)

    def stop(self) -> None:
        """Stops it until `go_on`."""
        self.send(signal.SIGSTOP)
        self.clock.stop(time.time())

    def go_on(self) -> None:
        """Lets it run."""
        self.clock.go_on(time.time())
        self.send(signal.SIGCONT)

    def images_per_second(self) -> float:
        """Returns its speed while it ran, all workers together; waits for its end."""
        output, _ = self._process.communicate()
        if self._process.returncode:
            sys.exit(f"error: {self.name} ended with status {self._process.returncode}")
        records = json.loads(output.strip().splitlines()[-1])["mini_epochs"]
        own = [{**record, "started": self.clock.at(record["started"])} for record in records]
        return sum(worker.images_per_second for worker in by_worker(own).values())


def take_turns(running: Peer, waiting: Peer, seconds: float) -> None:
    """Lets one peer run at a time, for so many seconds, until both have ended."""
    while running.runs or waiting.runs:
        end = time.monotonic() + seconds
        while running.runs and time.monotonic() < end:
            time.sleep(0.05)
        if waiting.runs:
            if running.runs:
                running.stop()
            running, waiting = waiting, running
            running.go_on()


def main(arguments: list[str]) -> None:
    parser = peer_parser(__doc__.splitlines()[0])
    parser.add_argument("--turn", type=float, default=8.0, help="seconds (default: 8)")
    parser.add_argument(
        "--start-up",
        type=float,
        default=30.0,
        help="seconds for which each runs by itself first, so that it can start (default: 30)",
    )
    options, workload = parse_workload(parser, arguments)
    given = ["--config", options.config, "--mini-epochs", str(workload.mini_epochs)]
    peers: list[Peer] = []
    try:
        for name in reversed(MODULES):
            for peer in peers:
                peer.stop()
            peers.append(Peer(name, [*given, *options.overrides]))
            time.sleep(options.start_up)
        waiting, running = peers
        take_turns(running, waiting, options.turn)
        speeds = {peer.name: peer.images_per_second() for peer in (running, waiting)}
    finally:
        for peer in peers:
            peer.send(signal.SIGKILL)
    for name, speed in speeds.items():
        print(f"{name}: {speed:.1f} images/s, {speed / speeds['ceiling']:.3f} of ceiling")


if __name__ == "__main__":
    main(sys.argv[1:])
