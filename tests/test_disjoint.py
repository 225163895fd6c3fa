"""Runs whose workers share an epoch: every sample is trained and merged exactly once in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from dbsl_tf.results.checkpoints import Checkpoints
from tests.support.counted_samples import CONFIGURATION, SAMPLES, expected_counts
from tests.support.faults import FAULT_POINTS
from tests.support.networks import silent_isolation
from tests.support.patience import wait_until
from tests.support.tiny_runs import ROOT
from tests.test_faults import FaultCase

ENDLESS = "schedule.epochs=10000"


class DisjointCase(FaultCase):
    def setUp(self):
        super().setUp()
        self.config.write_text(CONFIGURATION.replace("ISOLATION", silent_isolation()))

    def counts(self) -> np.ndarray:
        """How often each sample is in the weights saved last, [SAMPLES]."""
        saved = Checkpoints(self.run / "checkpoints", 5).latest(self.fail)
        self.assertEqual(saved.commit, len(self.commits_that_count()))
        return saved.weights[0][:, 0]

    def check_counts(self) -> None:
        """The weights hold what the history says, and no sample a second time in an epoch."""
        commits = self.commits_that_count()
        self.assertAllEqual(self.counts(), expected_counts(commits))
        ends = 0
        trained = sorted((commit["first_sample"], commit["samples"]) for commit in commits)
        for first, samples in trained:
            self.assertGreaterEqual(first, ends)
            ends = first + samples

    def check_whole(self, epochs: int) -> None:
        """After a whole run, each sample has been trained once in each epoch."""
        self.check_counts()
        self.assertAllEqual(self.counts(), np.full(SAMPLES, epochs))

    def run_whole(self, *overrides: str, epochs: int = 6) -> None:
        status, _, errors = self.finish(self.start(*overrides, f"schedule.epochs={epochs}"))
        self.assertEqual((status, errors), (0, ""))
        self.check_whole(epochs)


@pytest.mark.cluster
class DisjointTest(DisjointCase):
    @pytest.mark.slow
    def test_epochs_of_a_run_that_is_interrupted_and_resumed(self):
        process = self.start(ENDLESS)
        self.wait_for_commits(5, process)
        self.interrupt(process)
        self.check_counts()
        epochs = len(self.commits_that_count()) // 2 + 3
        self.run_whole(epochs=epochs)
        audit = subprocess.run(
            [sys.executable, "-m", "dbsl_tf.audit", str(self.run)],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        self.assertEqual((audit.returncode, audit.stderr), (0, ""))
        self.assertIn(f"every sample of {epochs} complete epochs was trained", audit.stdout)

    @pytest.mark.slow
    def test_epochs_in_rounds(self):
        self.run_whole("sync.mode=bsp")

    @pytest.mark.slow
    def test_epochs_merged_several_times_and_at_last_not_at_all(self):
        status, _, errors = self.finish(
            self.start(
                "schedule.mini_epochs_per_epoch=3", "schedule.epochs=6",
                "schedule.final_local_epochs=2", "sync.mode=ssp", "sync.staleness=1",
            )
        )  # fmt: skip
        self.assertEqual((status, errors), (0, ""))
        # The two workers share the last two epochs, and what they add is averaged at the end.
        self.assertAllEqual(self.counts(), np.full(SAMPLES, 4 + 2 / 2))
        trained = sum(commit["samples"] for commit in self.events("commit"))
        self.assertEqual(trained, 6 * SAMPLES)

    @pytest.mark.slow
    def test_workers_killed_at_every_moment_of_their_work(self):
        process = self.start_injected(ENDLESS, "schedule.eval_every=2")
        for number, point in enumerate(FAULT_POINTS):
            self.wait_for_commits(4, process)
            self.kill_at(point, number % 2, self.faults, process)
        self.interrupt(process)
        self.check_counts()

    @pytest.mark.slow
    def test_a_hung_worker_whose_share_another_one_trains(self):
        process = self.start_injected(ENDLESS, "schedule.eval_every=10000", self.short_timeout)
        self.wait_for_commits(5, process)
        self.stop_in_the_loop(1, self.faults, process)
        stopped_at = len(self.events("commit"))
        self.wait_for_commits(stopped_at + 10, process)
        self.send("worker-1", signal.SIGCONT)
        self.wait_until(
            lambda: 1 in {commit["worker"] for commit in self.events("commit")[-2:]}, process
        )
        self.interrupt(process)
        self.check_counts()

    @pytest.mark.slow
    def test_a_lost_parameter_server_and_a_coordinator_that_is_killed(self):
        process = self.start(ENDLESS)
        self.wait_for_commits(7, process)
        self.send("ps-1", signal.SIGKILL)
        self.wait_until(lambda: self.events("resume"), process)
        self.wait_for_commits(len(self.events("commit")) + 6, process)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        wait_until(lambda: not self.servers(), 10)
        epochs = max(commit["commit"] for commit in self.events("commit")) // 2 + 3
        self.run_whole(epochs=epochs)
