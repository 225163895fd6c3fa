"""Runs on several hosts, of which one vanishes or no longer reaches another."""

from __future__ import annotations

import signal

import pytest
import tensorflow as tf

from dbsl_tf.cluster.task import ClusterAddresses, Task
from tests.support.hosts import Hosts, skip_without_hosts
from tests.support.launching import warnings
from tests.support.patience import slowness, wait_until
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
        chief, server, *workers = [f"{address}:2222" for address in self.hosts.addresses]
        self.addresses = ClusterAddresses(chief, tuple(workers), (server,))
        self.servers = {}

    def start_all(self, *overrides):
        """The coordinator of a cluster on all hosts, every process of which has been started."""
        for host, task in enumerate(self.addresses.servers(), 1):
            self.servers[task.name] = self.start_on(host, task, *overrides)
        return self.start_on(CHIEF, Task(self.addresses, "chief", 0), *overrides)

    def start_on(self, host, task, *overrides):
        place = self.hosts.on(host)
        process = self.start(*overrides, tf_config=task.to_json(), place=place)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def wait_for_fault(self, kind, process):
        self.wait_until(lambda: kind in [e["kind"] for e in self.events("fault")], process)

    @pytest.mark.slow
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

    @pytest.mark.slow
    def test_a_worker_that_is_started_again_while_it_is_cut_off_takes_part_again(self):
        chief = self.start_all(*ENDLESS)
        self.wait_for_commits(10, chief)
        self.hosts.cut(PARAMETER_SERVER, WORKERS + 1)
        self.wait_for_fault("absent", chief)
        self.servers["worker-1"].kill()
        self.servers["worker-1"].wait()
        again = self.start_on(WORKERS + 1, Task(self.addresses, "worker", 1), *ENDLESS)
        self.wait_until(lambda: "worker-1 serves" in self.printed(again)[0], chief)
        self.assertNotIn("back", [event["kind"] for event in self.events("fault")])
        self.hosts.join(PARAMETER_SERVER, WORKERS + 1)
        # The others get on without it for as long as they are let.
        wait_until(
            lambda: "back" in [event["kind"] for event in self.events("fault")],
            alive=lambda: chief.poll() is None,
        )
        self.wait_until(lambda: self.events("commit")[-1]["worker"] == 1, chief)
        chief.send_signal(signal.SIGINT)
        status, _, errors = self.finish(chief)
        self.assertEqual((status, warnings(errors)), (130, ["interrupted"]))
        self.assertEqual(self.events("resume"), [])
        self.check_every_commit_counts_once(len(self.events("commit")))

    @pytest.mark.slow
    def test_a_worker_whose_packets_to_a_parameter_server_are_lost_is_left_out(self):
        chief = self.start_all(*ENDLESS, f"cluster.worker_timeout={3 * slowness()}")
        self.wait_for_commits(10, chief)
        # It still answers the chief, and is never told that it cannot reach the other.
        self.hosts.lose(PARAMETER_SERVER, WORKERS + 1)
        self.wait_for_fault("absent", chief)
        before = len(self.events("commit"))
        self.wait_for_commits(before + 30, chief)
        alone = {commit["worker"] for commit in self.events("commit")[before:]}
        self.assertEqual(alone, {0, 2})
        chief.send_signal(signal.SIGINT)
        status, _, errors = self.finish(chief)
        self.assertEqual((status, warnings(errors)), (130, ["interrupted"]))
        self.assertEqual(self.events("resume"), [])
        self.check_every_commit_counts_once(len(self.events("commit")))

    @pytest.mark.slow
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
