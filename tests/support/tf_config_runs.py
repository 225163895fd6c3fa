"""Runs whose every process is started by itself, with its task in TF_CONFIG, on this machine."""

from __future__ import annotations

import subprocess
from collections.abc import Collection

from dbsl_tf.cluster.local import free_ports
from dbsl_tf.cluster.task import ClusterAddresses, Task
from tests.support.tiny_runs import TinyRunCase


class TFConfigRunCase(TinyRunCase):
    """Starts one parameter server, WORKERS workers and the chief."""

    WORKERS = 2

    def setUp(self):
        super().setUp()
        chief, server, *workers = [f"127.0.0.1:{port}" for port in free_ports(2 + self.WORKERS)]
        self.addresses = ClusterAddresses(chief, tuple(workers), (server,))
        self.processes: dict[str, subprocess.Popen] = {}
        self.overrides: tuple[str, ...] = ()

    def start_server(self, name: str) -> None:
        """Start a worker or the parameter server, again or for the first time."""
        (task,) = (task for task in self.addresses.servers() if task.name == name)
        self.processes[name] = process = self.start(*self.overrides, tf_config=task.to_json())
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

    def start_all(self, *overrides: str, without: Collection[str] = ()) -> subprocess.Popen:
        """The chief of a cluster of which all other processes but some have been started."""
        number = f"cluster.workers={self.WORKERS}"
        self.overrides = (number, "cluster.parameter_servers=1", *overrides)
        for task in self.addresses.servers():
            if task.name not in without:
                self.start_server(task.name)
        return self.start_chief()

    def start_chief(self) -> subprocess.Popen:
        """The coordinator, started."""
        task = Task(self.addresses, "chief", 0)
        return self.start(*self.overrides, tf_config=task.to_json())

    def wait_for_worker(self, worker: int, process: subprocess.Popen) -> None:
        """Wait until a worker has committed once more."""
        seen = len(self.events("commit"))
        self.wait_until(
            lambda: worker in {commit["worker"] for commit in self.events("commit")[seen:]}, process
        )
