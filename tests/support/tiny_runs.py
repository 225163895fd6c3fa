"""Runs of the real training command on the digits, small enough for a test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tensorflow as tf

from tests.support.faults import IN_THE_LOOP, mark_of, pipe_of, request_of
from tests.support.networks import silent_isolation
from tests.support.patience import wait_until

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = """
data: {name: digits, train_samples: 300, augment: []}
model: {name: resnet8, dropout: 0.1}
cluster: {workers: 2, parameter_servers: 2, isolation: ISOLATION}
dual_batch: {small_workers: 1, large_batch: 50, extra_time_ratio: 1.1}
time_model: {a: 0.001, b: 0.01}
optimizer: {base_lr: 0.02, lr_scaling: sqrt}
schedule: {epochs: 3, milestones: [2], gamma: 0.5, eval_every: 2}
"""
# Seconds that a run usually goes without a line or a commit at most: when it loads the network.
LONGEST_SILENCE = 20


class TinyRunCase(tf.test.TestCase):
    """A folder with a configuration, and what one does with a run of it."""

    def setUp(self):
        super().setUp()
        self.folder = Path(self.enterContext(TemporaryDirectory()))
        self.config = self.folder / "tiny.yaml"
        self.config.write_text(CONFIGURATION.replace("ISOLATION", silent_isolation()))
        self.run = self.folder / "run"
        self.temporary = self.folder / "temporary"
        self.temporary.mkdir()
        self._started = 0
        self._streams: dict[int, list[Path]] = {}

    def start(
        self,
        *overrides: str,
        tf_config: str = "",
        program: Sequence[str] = ("-m", "dbsl_tf.train"),
        place: Sequence[str] = (),
        **environment: str,
    ) -> subprocess.Popen:
        """The training command, started.

        Args:
            overrides: of the configuration.
            tf_config: the process's task.
            program: it may be another one of the same arguments.
            place: what comes before it, such as the command that runs it on another host.
            environment: further variables.
        """
        self._started += 1
        streams = [self.folder / f"{self._started}.{name}" for name in ("output", "errors")]
        output, errors = (self.enterContext(open(stream, "w")) for stream in streams)
        process = subprocess.Popen(
            [*place, sys.executable, *program, "--config", str(self.config)]
            + [f"run.dir={self.run}", *overrides],
            cwd=ROOT,
            env={
                **os.environ,
                "XDG_CACHE_HOME": str(self.folder / "cache"),
                "TMPDIR": str(self.temporary),
                "TF_CONFIG": tf_config,
                **environment,
            },
            stdout=output,
            stderr=errors,
        )
        self._streams[process.pid] = streams
        self.addCleanup(process.kill)
        return process

    def finish(self, process: subprocess.Popen) -> tuple[int, str, str]:
        """Exit status, output and errors of a command that goes on as long as it gets on."""
        self._wait(lambda: process.poll() is not None, process)
        return process.returncode, *self.printed(process)

    def printed(self, process: subprocess.Popen) -> list[str]:
        """Output and errors of a command so far."""
        return [stream.read_text() for stream in self._streams[process.pid]]

    def wait_until(
        self, condition: Callable[[], object], process: subprocess.Popen, pause: float = 0.05
    ) -> None:
        """Wait for something to happen while a command runs, and gets on."""
        self._wait(condition, process, alive=lambda: process.poll() is None, pause=pause)

    def _wait(
        self, condition: Callable[[], object], process: subprocess.Popen, **options: Any
    ) -> None:
        files = [*self._streams[process.pid], self.run / "history.jsonl"]

        def progress() -> list[int]:
            return [file.stat().st_size for file in files if file.exists()]

        try:
            wait_until(condition, LONGEST_SILENCE, progress=progress, **options)
        except AssertionError as error:
            process.kill()
            self.fail(f"the run hangs, or has ended: {error}: {self.printed(process)}")

    def wait_for_commits(self, count: int, process: subprocess.Popen) -> None:
        """Wait until the history has so many commits."""
        self.wait_until(lambda: len(self.events("commit")) >= count, process)

    def events(self, kind: str | None = None) -> list[dict]:
        """The whole lines of the history, or those of one kind."""
        history = self.run / "history.jsonl"
        lines = history.read_text().split("\n")[:-1] if history.exists() else []
        events = [json.loads(line) for line in lines]
        return [event for event in events if kind in (None, event["event"])]

    def commits_that_count(self) -> list[dict]:
        """The commits left after what resumed runs have thrown away."""
        from dbsl_tf.results.history_lines import read_events

        events = read_events(self.run / "history.jsonl")
        return [event for event in events if event["event"] == "commit"]

    def check_every_commit_counts_once(self, count: int) -> None:
        """The history has commits 1 … count, without a gap or a repeat."""
        numbers = [commit["commit"] for commit in self.commits_that_count()]
        self.assertEqual(numbers, list(range(1, count + 1)))

    def servers(self) -> dict[str, int]:
        """Process numbers of the servers of the run, by name such as `worker-0`."""
        return {output.stem: pid for pid, output in server_pids(self.run)}

    def send(self, server: str, number: signal.Signals) -> None:
        """Send a signal to a server, such as `worker-0`."""
        os.kill(self.servers()[server], number)

    def kill_at(self, point: str, worker: int, faults: Path, process: subprocess.Popen) -> None:
        """Kill a worker of `injected_train` at a fault point, and wait until it is back.

        Args:
            point: one of `FAULT_POINTS`.
            worker: its index.
            faults: the folder of the injector.
            process: the run.
        """
        pipe = pipe_of(faults, point, worker)
        os.mkfifo(pipe)
        self.wait_until(mark_of(pipe).exists, process)
        before = self.servers()[f"worker-{worker}"]
        os.kill(before, signal.SIGKILL)
        pipe.unlink()
        mark_of(pipe).unlink()
        self.wait_until(
            lambda: self.servers().get(f"worker-{worker}") not in (None, before), process
        )
        # It takes part again from its next commit on.
        seen = len(self.events("commit"))
        self.wait_until(
            lambda: worker in {commit["worker"] for commit in self.events("commit")[seen:]}, process
        )

    def stop_in_the_loop(self, worker: int, faults: Path, process: subprocess.Popen) -> None:
        """Stop a worker of `injected_train` while it trains."""
        point = pipe_of(faults, IN_THE_LOOP, worker)
        request_of(point).touch()
        self.wait_until(mark_of(point).exists, process, pause=0.005)
        self.send(f"worker-{worker}", signal.SIGSTOP)
        request_of(point).unlink()
        mark_of(point).unlink()

    def check_nothing_is_left(self) -> None:
        """No server is alive a moment after its coordinator has ended, and no temporary file."""
        wait_until(lambda: not server_pids(self.run), 1)
        self.assertEqual([path.name for path in self.temporary.iterdir()], [])


def server_pids(run: Path) -> list[tuple[int, Path]]:
    """Process numbers and logs of the servers that log into `run`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            output = Path(os.readlink(process / "fd" / "1"))
        except OSError:
            continue
        if output.is_relative_to(run):
            found.append((int(process.name), output))
    return found
