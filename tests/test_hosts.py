"""Runs on several hosts, of which one vanishes or no longer reaches another."""

from __future__ import annotations

import signal

import pytest
import tensorflow as tf

from dbsl_tf.cluster.task import ClusterAddresses, Task
from tests.support.hosts import Hosts, skip_without_hosts
from tests.support.launching import warnings
from tests.support.patience import slowness
from tests.support.tiny_runs import TinyRunCase

# Which host runs what; that of worker w is the one with number WORKERS + w.
CHIEF, PARAMETER_SERVER, WORKERS = 0, 1, 2
EPOCHS = 40
SMALL = (
    "cluster.workers=3",
    "cluster.parameter_servers=1",
    "data.train_samples=100",
    "dual_batch.large_batch=20",
    "checkpoint.every=2",
    "schedule.eval_every=10000",
)
ENDLESS = (*SMALL, "schedule.epochs=10000")


@pytest.mark.cluster
class HostsTest(TinyRunCase):
    def setUp(self):
        super().setUp()
        skip_without_hosts()
        self.hosts = Hosts(WORKERS + 3)
        self.addCleanup(self.hosts.remove)
        self.servers = {}

    def start_all(self, *overrides):
        """The coordinator of a cluster on all hosts, every process of which has been started."""
        chief, server, *workers = [f"{address}:2222" for address in self.hosts.addresses]
        addresses = ClusterAddresses(chief, tuple(workers), (server,))

        def start(host, task):
            place = self.hosts.on(host)
            process = self.start(*overrides, tf_config=task.to_json(), place=place)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            return process

        for host, task in enumerate(addresses.servers(), 1):
            self.servers[task.name] = start(host, task)
        return start(CHIEF, Task(addresses, "chief", 0))

    def wait_for_fault(self, kind, process):
        self.wait_until(lambda: kind in [e["kind"] for e in self.events("fault")], process)

    def test_a_worker_that_is_cut_off_from_a_parameter_server_is_left_out_until_it_is_not(self):
        chief = self.start_all(*ENDLESS)
        self.wait_for_commits(10, chief)
        self.hosts.cut(PARAMETER_SERVER, WORKERS + 1)
        self.wait_for_fault("absent", chief)
        before = len(self.events("commit"))
        self.wait_for_commits(before + 30, chief)
        alone = {commit["worker"] for commit in self.events("commit")[before:]}
        self.assertEqual(alone, {0, 2})
        self.hosts.join(PARAMETER_SERVER, WORKERS + 1)
        self.wait_for_fault("back", chief)
        self.wait_until(lambda: self.events("commit")[-1]["worker"] == 1, chief)
        chief.send_signal(signal.SIGINT)
        status, output, errors = self.finish(chief)
        self.assertEqual((status, warnings(errors)), (130, ["interrupted"]))
        self.assertIn("worker 1 is left out (it cannot reach ps-0)", output)
        self.assertEqual(self.events("resume"), [])
        self.check_every_commit_counts_once(len(self.events("commit")))

    def test_a_worker_whose_host_vanishes_costs_no_commit(self):
        timeout = f"cluster.worker_timeout={3 * slowness()}"
        chief = self.start_all(*SMALL, f"schedule.epochs={EPOCHS}", timeout)
        self.wait_for_commits(10, chief)
        # Nobody is told that it has ended.
        self.hosts.unplug(WORKERS + 1)
        self.servers["worker-1"].kill()
        status, output, errors = self.finish(chief)
        self.assertEqual((status, warnings(errors)), (0, []))
        self.assertIn("worker 1 is left out", output)
        self.assertEqual(self.events("resume"), [])
        self.check_every_commit_counts_once(3 * EPOCHS)


if __name__ == "__main__":
    tf.test.main()
