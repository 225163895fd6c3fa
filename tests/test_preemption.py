"""Servers that are asked to end (SIGTERM), as by Slurm, Kubernetes or a spot machine's owner."""

from __future__ import annotations

import signal
import time

import pytest
import tensorflow as tf

from tests.support.launching import warnings
from tests.support.patience import at_most
from tests.support.tf_config_runs import TFConfigRunCase

# Mini-epochs of a second or so.
LONG = ("data.train_samples=1200", "schedule.eval_every=10000", "checkpoint.every=10000")
# Many small ones.
SHORT = (
    *("data.train_samples=100", "dual_batch.large_batch=20"),
    *("schedule.eval_every=10", "checkpoint.every=10000"),
)
ENDLESS = "schedule.epochs=10000"


@pytest.mark.cluster
@pytest.mark.slow
class PreemptionTest(TFConfigRunCase):
    def ask_to_end(self, name):
        """Send a server SIGTERM; the Unix times before that and after its end, with status 0."""
        process = self.processes[name]
        began = time.time()
        process.send_signal(signal.SIGTERM)
        status = process.wait(at_most(30))
        self.assertEqual(status, 0, self.printed(process))
        self.assertIn(f"{name} has left\n", self.printed(process)[0])
        return began, time.time()

    def commits_after(self, kind):
        """The workers of the commits after the first fault of a kind."""
        events = self.events()
        (first, *_) = (i for i, event in enumerate(events) if event.get("kind") == kind)
        return [event["worker"] for event in events[first:] if event["event"] == "commit"]

    def check_end(self, chief, *, resumes=0):
        """It ends at Ctrl-C; every commit counts once, none is discarded, nothing is rejected."""
        chief.send_signal(signal.SIGINT)
        status, output, errors = self.finish(chief)
        self.assertEqual((status, warnings(errors)), (130, ["interrupted"]), output)
        self.check_every_commit_counts_once(len(self.commits_that_count()))
        self.assertEqual([event["discarded"] for event in self.events("resume")], [0] * resumes)
        return output

    def test_servers_of_tf_config_leave_and_come_back(self):
        chief = self.start_all(*LONG, ENDLESS)
        self.wait_for_commits(6, chief)
        self.wait_for_worker(0, chief)
        # To be in the middle of a mini-epoch.
        time.sleep(0.3)
        asked, ended = self.ask_to_end("worker-0")
        self.wait_for_commits(len(self.events("commit")) + 4, chief)
        own = [commit for commit in self.events("commit") if commit["worker"] == 0]
        # What it was training when it was asked is merged; another is begun at most before the
        # chief knows.
        finished = own[-1]["started"] + own[-1]["seconds"]
        self.assertGreater(finished, asked)
        self.assertLessEqual(len([commit for commit in own if commit["started"] > asked]), 1)
        self.assertLess(ended - finished, at_most(1))
        self.start_server("worker-0")
        self.wait_for_worker(0, chief)
        self.ask_to_end("ps-0")
        self.start_server("ps-0")
        self.wait_until(lambda: self.events("resume"), chief)
        self.wait_for_worker(0, chief)
        self.wait_for_worker(1, chief)
        for name in ("worker-0", "worker-1"):
            self.ask_to_end(name)
        output = self.check_end(chief, resumes=1)
        # The chief is gone: nobody keeps it.
        self.ask_to_end("ps-0")
        self.assertIn("worker 0 is left out (it was asked to end, by SIGTERM)", output)
        self.assertIn("worker 0 has rejoined", output)
        self.assertRegex(output, r"ps-0 was asked to end, by SIGTERM: commit \d+ is saved")

    def test_a_worker_gives_up_a_mini_epoch_that_takes_longer_than_the_grace(self):
        chief = self.start_all(
            "data.train_samples=1400", "time_model.a=0.01", "dual_batch.large_batch=5",
            "dual_batch.extra_time_ratio=1.01", "schedule.epochs=3", "cluster.grace_seconds=0.5",
        )  # fmt: skip
        self.wait_for_commits(2, chief)
        self.wait_for_worker(0, chief)
        self.ask_to_end("worker-0")
        status, output, errors = self.finish(chief)
        self.assertEqual((status, warnings(errors)), (0, []), output)
        self.check_every_commit_counts_once(6)
        self.assertEqual(set(self.commits_after("absent")), {1})

    def test_with_a_barrier_and_a_local_cluster(self):
        """Workers wait for one another, and a round that has begun is merged as a whole."""
        process = self.start(*SHORT, ENDLESS, "sync.mode=bsp", "optimizer.state=keep")
        for round_, name in enumerate(["worker-0", "worker-1", "worker-0"], 1):
            self.wait_for_commits(len(self.events("commit")) + 10, process)
            before = self.servers()[name]
            self.send(name, signal.SIGTERM)
            self.wait_until(lambda: self.servers().get(name, before) != before, process)  # noqa: B023
            self.wait_for_worker(int(name[-1]), process)
            self.assertIn(f"restarted ({round_} of 10 times)", self.printed(process)[0])
        self.send("ps-1", signal.SIGTERM)
        self.wait_until(lambda: self.events("resume"), process)
        self.wait_for_worker(0, process)
        self.send("ps-0", signal.SIGTERM)
        self.wait_until(lambda: len(self.events("resume")) == 2, process)
        self.wait_for_worker(1, process)
        output = self.check_end(process, resumes=2)
        self.assertEqual(output.count("has left as it was asked to, by SIGTERM"), 3)
        self.check_nothing_is_left()

    def test_a_job_that_is_ended_as_a_whole_is_saved(self):
        """Slurm and Kubernetes send SIGTERM to all processes at about the same time."""
        chief = self.start_all(*SHORT, ENDLESS)
        self.wait_for_commits(20, chief)
        for process in (*self.processes.values(), chief):
            process.send_signal(signal.SIGTERM)
        status, output, errors = self.finish(chief)
        self.assertEqual((status, warnings(errors)), (143, []), output)
        self.assertIn("saved: resume with", " ".join(output.split()))
        for process in self.processes.values():
            self.assertEqual(process.wait(at_most(10)), 0)
        done = len(self.commits_that_count())
        chief = self.start_all(*SHORT, ENDLESS)
        self.wait_for_commits(done + 10, chief)
        self.check_end(chief, resumes=1)


if __name__ == "__main__":
    tf.test.main()
