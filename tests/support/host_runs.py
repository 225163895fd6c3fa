"""Runs whose chief, parameter server and workers have a host each."""

from __future__ import annotations

import signal
import subprocess

from dbsl_tf.cluster.task import ClusterAddresses, Task
from tests.support.hosts import Hosts, skip_without_hosts
from tests.support.launching import warnings
from tests.support.tiny_runs import TinyRunCase

SMALL = (
    "data.train_samples=100",
    "dual_batch.large_batch=20",
    "checkpoint.every=2",
    "schedule.eval_every=10000",
)
ENDLESS = (*SMALL, "schedule.epochs=10000")
# Which host runs what; that of worker w is the one with number WORKERS + w.
CHIEF, PARAMETER_SERVER, WORKERS = 0, 1, 2


class HostRunCase(TinyRunCase):
    """Starts a run on hosts of its own."""

    def start_all(
        self, workers: int, *overrides: str, delay: float = 0.0, loss: float = 0.0
    ) -> subprocess.Popen:
        """The coordinator of a cluster on new hosts, every process of which has been started.

        Args:
            workers: how many.
            overrides: of the configuration.
            delay, loss: of the network; see `Hosts`.
        """
        skip_without_hosts(bool(delay or loss))
        self.hosts = Hosts(WORKERS + workers, delay=delay, loss=loss)
        self.addCleanup(self.hosts.remove)
        chief, server, *others = [f"{address}:2222" for address in self.hosts.addresses]
        self.addresses = ClusterAddresses(chief, tuple(others), (server,))
        overrides = (f"cluster.workers={workers}", "cluster.parameter_servers=1", *overrides)
        self.servers = {
            task.name: self.start_on(host, task, *overrides)
            for host, task in enumerate(self.addresses.servers(), 1)
        }
        return self.start_on(CHIEF, Task(self.addresses, "chief", 0), *overrides)

    def start_on(self, host: int, task: Task, *overrides: str) -> subprocess.Popen:
        """A process of the cluster, started on a host."""
        place = self.hosts.on(host)
        process = self.start(*overrides, tf_config=task.to_json(), place=place)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def faults(self) -> list[str]:
        """The kinds of the faults so far."""
        return [event["kind"] for event in self.events("fault")]

    def wait_for_fault(self, kind: str, process: subprocess.Popen) -> None:
        """Wait until the history has a fault of this kind."""
        self.wait_until(lambda: kind in self.faults(), process)

    def interrupt(self, chief: subprocess.Popen) -> str:
        """End a run by Ctrl-C, of which every commit counts once; what it printed."""
        chief.send_signal(signal.SIGINT)
        status, output, errors = self.finish(chief)
        self.assertEqual((status, warnings(errors)), (130, ["interrupted"]))
        self.check_every_commit_counts_once(len(self.commits_that_count()))
        return output
