"""Runs on several hosts whose network is cut for a while, or delays or loses what is sent."""

from __future__ import annotations

import time

import pytest
import tensorflow as tf

from tests.support.host_runs import (
    CHIEF,
    ENDLESS,
    PARAMETER_SERVER,
    SMALL,
    WORKERS,
    HostRunCase,
)
from tests.support.launching import warnings

SHORT, LONG = 5.0, 60.0  # seconds
EPOCHS = 10


@pytest.mark.cluster
@pytest.mark.slow
class CutTest(HostRunCase):
    def cut_off(self, host, seconds):
        """Let a host be cut off for a while."""
        self.hosts.unplug(host)
        time.sleep(seconds)
        self.hosts.plug(host)

    def wait_for_both(self, chief):
        """Wait until both workers have trained since now."""
        seen = len(self.events("commit"))
        self.wait_until(
            lambda: {commit["worker"] for commit in self.events("commit")[seen:]} == {0, 1}, chief
        )

    def test_a_short_cut_costs_nothing_whoever_is_cut_off(self):
        chief = self.start_all(2, *ENDLESS)
        self.wait_for_commits(10, chief)
        for host in (WORKERS + 1, PARAMETER_SERVER, CHIEF):
            self.cut_off(host, SHORT)
            self.wait_for_both(chief)
        self.interrupt(chief)
        self.assertEqual(self.events("fault") + self.events("resume"), [])

    def test_others_go_on_while_a_worker_is_cut_off_and_it_takes_part_again(self):
        self.check_cut_worker("asp")

    def test_so_they_do_in_rounds(self):
        self.check_cut_worker("bsp")

    def check_cut_worker(self, mode):
        chief = self.start_all(2, *ENDLESS, f"sync.mode={mode}")
        self.wait_for_commits(10, chief)
        self.hosts.unplug(WORKERS + 1)
        cut_at = time.monotonic()
        self.wait_for_fault("absent", chief)
        before = len(self.events("commit"))
        self.wait_for_commits(before + 20, chief)
        time.sleep(max(0.0, LONG - (time.monotonic() - cut_at)))
        self.assertNotIn("back", self.faults())
        alone = {commit["worker"] for commit in self.events("commit")[before + 2 :]}
        self.assertEqual(alone, {0})
        self.hosts.plug(WORKERS + 1)
        self.wait_for_fault("back", chief)
        self.wait_for_both(chief)
        self.interrupt(chief)
        self.assertEqual(self.events("resume"), [])

    def test_a_parameter_server_that_was_cut_off_costs_what_came_after_the_checkpoint(self):
        self.check_long_cut(PARAMETER_SERVER)

    def test_so_does_a_chief(self):
        self.check_long_cut(CHIEF)

    def check_long_cut(self, host):
        """The run goes on once the host is back, from a checkpoint if it could not wait."""
        chief = self.start_all(2, *ENDLESS)
        self.wait_for_commits(10, chief)
        self.cut_off(host, LONG)
        self.wait_for_both(chief)
        self.interrupt(chief)
        # Of two epochs, and those that were being trained.
        discarded = [resume["discarded"] for resume in self.events("resume")]
        self.assertLessEqual(len(discarded), 1)
        self.assertLessEqual(sum(discarded), 2 * 2 + 2)


@pytest.mark.cluster
@pytest.mark.slow
class DisturbedTest(HostRunCase):
    def check(self, **network):
        chief = self.start_all(2, *SMALL, f"schedule.epochs={EPOCHS}", **network)
        status, _, errors = self.finish(chief)
        self.assertEqual((status, warnings(errors)), (0, []))
        self.assertEqual(self.events("fault") + self.events("resume"), [])
        self.check_every_commit_counts_once(2 * EPOCHS)

    def test_a_network_that_loses_packets(self):
        self.check(loss=0.05)

    def test_a_network_far_away(self):
        self.check(delay=0.1)


if __name__ == "__main__":
    tf.test.main()
