"""Runs on several hosts, of which one vanishes or no longer reaches another."""

from __future__ import annotations

import pytest
import tensorflow as tf

from dbsl_tf.cluster.task import Task
from tests.support.host_runs import ENDLESS, PARAMETER_SERVER, SMALL, WORKERS, HostRunCase
from tests.support.launching import warnings
from tests.support.patience import slowness, wait_until

EPOCHS = 40


@pytest.mark.cluster
class HostsTest(HostRunCase):
    @pytest.mark.slow
    def test_a_worker_that_is_cut_off_from_a_parameter_server_is_left_out_until_it_is_not(self):
        chief = self.start_all(3, *ENDLESS)
        self.wait_for_commits(10, chief)
        self.hosts.cut(PARAMETER_SERVER, WORKERS + 1)
        self.wait_for_fault("absent", chief)
        before = len(self.events("commit"))
        self.wait_for_commits(before + 30, chief)
        alone = {commit["worker"] for commit in self.events("commit")[before:]}
        self.assertNotIn(1, alone)
        self.hosts.join(PARAMETER_SERVER, WORKERS + 1)
        self.wait_for_fault("back", chief)
        self.wait_until(lambda: self.events("commit")[-1]["worker"] == 1, chief)
        self.assertIn("worker 1 is left out (it cannot reach ps-0)", self.interrupt(chief))
        self.assertEqual(self.events("resume"), [])

    @pytest.mark.slow
    def test_a_worker_that_is_started_again_while_it_is_cut_off_takes_part_again(self):
        chief = self.start_all(3, *ENDLESS)
        self.wait_for_commits(10, chief)
        self.hosts.cut(PARAMETER_SERVER, WORKERS + 1)
        self.wait_for_fault("absent", chief)
        self.servers["worker-1"].kill()
        self.servers["worker-1"].wait()
        again = self.start_on(
            WORKERS + 1,
            Task(self.addresses, "worker", 1),
            "cluster.workers=3",
            "cluster.parameter_servers=1",
            *ENDLESS,
        )
        self.wait_until(lambda: "worker-1 serves" in self.printed(again)[0], chief)
        self.hosts.join(PARAMETER_SERVER, WORKERS + 1)
        # The others get on without it for as long as they are let.
        wait_until(lambda: "back" in self.faults(), alive=lambda: chief.poll() is None)
        self.wait_until(lambda: self.events("commit")[-1]["worker"] == 1, chief)
        self.interrupt(chief)
        self.assertEqual(self.events("resume"), [])

    @pytest.mark.slow
    def test_a_worker_whose_packets_to_a_parameter_server_are_lost_is_left_out(self):
        chief = self.start_all(3, *ENDLESS, f"cluster.worker_timeout={3 * slowness()}")
        self.wait_for_commits(10, chief)
        # It still answers the chief, and is never told that it cannot reach the other.
        self.hosts.lose(PARAMETER_SERVER, WORKERS + 1)
        self.wait_for_fault("absent", chief)
        before = len(self.events("commit"))
        self.wait_for_commits(before + 30, chief)
        alone = {commit["worker"] for commit in self.events("commit")[before:]}
        self.assertNotIn(1, alone)
        self.interrupt(chief)
        self.assertEqual(self.events("resume"), [])

    @pytest.mark.slow
    def test_a_worker_whose_host_vanishes_costs_no_commit(self):
        timeout = f"cluster.worker_timeout={3 * slowness()}"
        chief = self.start_all(3, *SMALL, f"schedule.epochs={EPOCHS}", timeout)
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
