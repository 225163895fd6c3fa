"""Runs of the real command line that lose workers, parameter servers and their coordinator."""

from __future__ import annotations

import os
import re
import signal
import time

import pytest
import tensorflow as tf

from dbsl_tf.cluster.local import free_ports
from dbsl_tf.cluster.task import ClusterAddresses, Task
from tests.support.faults import AFTER_PUSH, DURING_PULL, FAULT_POINTS, mark_of, pipe_of
from tests.support.patience import slowness
from tests.support.tiny_runs import TinyRunCase

# Small mini-epochs, so that there are many of them.
SMALL = ("data.train_samples=100", "dual_batch.large_batch=20")
# The test ends these runs, when it has seen enough.
ENDLESS = (*SMALL, "schedule.epochs=10000", "checkpoint.every=2")
EPOCHS = 30
WHOLE = (*SMALL, f"schedule.epochs={EPOCHS}", "schedule.eval_every=30", "checkpoint.every=2")
INJECTED = ("-m", "tests.support.injected_train")


class FaultCase(TinyRunCase):
    """A run of which processes are made to die."""

    def setUp(self):
        super().setUp()
        self.faults = self.folder / "faults"
        self.faults.mkdir()
        # Many times what a mini-epoch takes, also on a slow machine.
        self.short_timeout = f"cluster.worker_timeout={3 * slowness()}"

    def start_injected(self, *overrides):
        """The command with points at which this test can have a process die."""
        return self.start(*overrides, program=INJECTED, FAULT_FOLDER=str(self.faults))

    def interrupt(self, process):
        """End a run by Ctrl-C; what it printed, and how many commits there are then."""
        process.send_signal(signal.SIGINT)
        status, output, errors = self.finish(process)
        self.assertEqual((status, errors), (130, "interrupted\n"))
        commits = len(self.commits_that_count())
        self.check_every_commit_counts_once(commits)
        self.check_nothing_is_left()
        return output, commits


@pytest.mark.cluster
class FaultTest(FaultCase):
    @pytest.mark.slow
    def test_workers_killed_at_every_moment_of_their_work(self):
        # A worker that dies after it has pushed its optimiser's state must train again too.
        process = self.start_injected(*ENDLESS, "schedule.eval_every=2")
        for number, point in enumerate(FAULT_POINTS):
            self.wait_for_commits(4, process)
            self.kill_at(point, number % 2, self.faults, process)
        done, merged = len(self.events("evaluation")), len(self.events("commit"))
        self.wait_until(lambda: len(self.events("evaluation")) > done + 1, process)
        self.wait_until(
            lambda: {commit["worker"] for commit in self.events("commit")[merged:]} == {0, 1},
            process,
        )
        output, _ = self.interrupt(process)
        self.assertEqual(output.count("ended with SIGKILL"), len(FAULT_POINTS))
        self.assertIn(f"restarted ({len(FAULT_POINTS)} of 10 times)", output)
        roles = {(commit["worker"], commit["role"]) for commit in self.events("commit")}
        self.assertEqual(roles, {(0, "small"), (1, "large")})
        self.assertEqual(self.events("resume"), [])
        evaluated = [evaluation["commit"] for evaluation in self.events("evaluation")]
        self.assertEqual(evaluated, list(range(4, evaluated[-1] + 1, 4)))

    @pytest.mark.slow
    def test_a_worker_that_stops_in_the_midst_of_its_pull_holds_nobody_up(self):
        process = self.start_injected(
            *ENDLESS, "schedule.eval_every=10000", "cluster.transfer_dtype=bfloat16"
        )
        self.wait_for_commits(5, process)
        pipe = pipe_of(self.faults, DURING_PULL, 1)
        os.mkfifo(pipe)
        self.wait_until(mark_of(pipe).exists, process)
        stopped_at = len(self.events("commit"))
        self.wait_for_commits(stopped_at + 20, process)
        # The last ones: commits that were made before may be recorded only now.
        alone = self.events("commit")[-10:]
        self.assertEqual({commit["worker"] for commit in alone}, {0})
        self.send("worker-1", signal.SIGKILL)
        pipe.unlink()
        self.wait_until(lambda: self.events("commit")[-1]["worker"] == 1, process)
        self.interrupt(process)

    @pytest.mark.slow
    def test_a_hung_worker_is_left_alone_and_taken_back(self):
        process = self.start_injected(*ENDLESS, "schedule.eval_every=10000", self.short_timeout)
        self.wait_for_commits(5, process)
        before = len(self.events("fault"))
        self.stop_in_the_loop(1, self.faults, process)
        kinds = (
            lambda: [  # noqa: E731
                event["kind"] for event in self.events("fault")[before:] if event["worker"] == 1
            ]
        )
        self.wait_until(lambda: "absent" in kinds(), process)
        stopped_at = len(self.events("commit"))
        self.wait_for_commits(stopped_at + 10, process)
        alone = self.events("commit")[stopped_at + 2 :]
        self.assertEqual({commit["worker"] for commit in alone}, {0})
        self.send("worker-1", signal.SIGCONT)
        self.wait_until(lambda: "back" in kinds(), process)
        back_at = len(self.events("commit"))
        self.wait_until(
            lambda: 1 in {commit["worker"] for commit in self.events("commit")[back_at:]}, process
        )
        output, _ = self.interrupt(process)
        self.assertIn("worker 1 is left out (no answer for", output)

    @pytest.mark.slow
    def test_a_time_model_that_is_too_fast_by_far_throws_no_worker_out(self):
        """Nor does a time limit that is set by it: mini-epochs take a second or more."""
        process = self.start(
            "data.train_samples=1200", "time_model.a=1e-6", "time_model.b=1e-5",
            "cluster.worker_timeout=0.01", "schedule.epochs=6",
        )  # fmt: skip
        status, output, errors = self.finish(process)
        self.assertEqual((status, errors), (0, ""))
        self.assertGreater(min(commit["seconds"] for commit in self.events("commit")), 0.5)
        self.assertEqual((self.events("fault"), output.count("is left out")), ([], 0))

    @pytest.mark.slow
    def test_a_barrier_does_not_hang_when_a_worker_does(self):
        # The other one trains twice in a round, though its state is merged only with the round.
        process = self.start_injected(
            *SMALL, "schedule.epochs=12", "schedule.eval_every=12", "sync.mode=bsp",
            "optimizer.state=keep", self.short_timeout,
        )  # fmt: skip
        self.wait_for_commits(2, process)
        self.stop_in_the_loop(1, self.faults, process)
        status, output, errors = self.finish(process)
        self.assertEqual((status, errors), (0, ""))
        self.check_every_commit_counts_once(24)
        self.assertEqual({commit["worker"] for commit in self.events("commit")[-6:]}, {0})
        self.check_nothing_is_left()

    def test_a_killed_worker_costs_nothing_and_a_parameter_server_what_came_after_a_checkpoint(
        self,
    ):
        process = self.start_injected(*ENDLESS)
        self.wait_for_commits(4, process)
        self.kill_at(AFTER_PUSH, 0, self.faults, process)
        merged = len(self.events("commit"))
        self.wait_until(
            lambda: {commit["worker"] for commit in self.events("commit")[merged:]} == {0, 1},
            process,
        )
        self.wait_for_commits(11, process)
        self.assertEqual(self.events("resume"), [])
        self.send("ps-1", signal.SIGKILL)
        self.wait_until(lambda: self.events("resume"), process)
        self.wait_for_commits(len(self.events("commit")) + 6, process)
        output, commits = self.interrupt(process)
        self.assertIn("worker-0 ended with SIGKILL", output)
        self.assertIn("ps-1 ended with SIGKILL", output)
        (resume,) = self.events("resume")
        self.assertEqual(resume["commit"] % 4, 0)
        later = [c for c in self.events("commit") if c["commit"] > resume["commit"]]
        self.assertEqual(len(later) - resume["discarded"], commits - resume["commit"])

    @pytest.mark.slow
    def test_a_coordinator_that_was_stopped_for_a_while_blames_nobody(self):
        process = self.start(*ENDLESS, "schedule.eval_every=10000", self.short_timeout)
        stopped = 3 * slowness() + 8
        for _ in range(3):
            self.wait_for_commits(len(self.events("commit")) + 5, process)
            process.send_signal(signal.SIGSTOP)
            time.sleep(stopped)
            process.send_signal(signal.SIGCONT)
        self.wait_for_commits(len(self.events("commit")) + 10, process)
        output, _ = self.interrupt(process)
        self.assertEqual(self.events("resume"), [])
        # On a busy machine a worker may really have been silent for as long as the limit.
        silent = [float(seconds) for seconds in re.findall(r"no answer for (\d+) s", output)]
        self.assertLess(max(silent, default=0), stopped)

    @pytest.mark.slow
    def test_servers_killed_while_they_start_are_started_again(self):
        process = self.start(*SMALL, "schedule.epochs=2")
        for server in ("ps-0", "worker-1"):
            self.wait_until(lambda: server in self.servers(), process)  # noqa: B023
            self.send(server, signal.SIGKILL)
        status, output, errors = self.finish(process)
        self.assertEqual((status, errors), (0, ""))
        for server in ("ps-0", "worker-1"):
            self.assertIn(f"{server} ended with SIGKILL", output)
        self.check_every_commit_counts_once(4)
        self.assertEqual(self.events("resume"), [])

    @pytest.mark.slow
    def test_an_interrupt_ends_a_coordinator_that_does_not_react(self):
        (self.faults / "may_freeze").touch()
        process = self.start_injected(*ENDLESS)
        self.wait_for_commits(7, process)
        (self.faults / "freeze").touch()
        self.wait_until((self.faults / "frozen").exists, process)
        process.send_signal(signal.SIGINT)
        status, _, errors = self.finish(process)
        self.assertEqual(status, -signal.SIGKILL)
        self.assertIn("did not respond and was ended; the last checkpoint remains", errors)
        self.check_nothing_is_left()
        counted = len(self.commits_that_count())
        second = self.start(*ENDLESS)
        self.wait_for_commits(counted + 4, second)
        self.interrupt(second)

    @pytest.mark.slow
    def test_a_run_ends_where_its_directory_has_gone_and_goes_on_once_that_is_back(self):
        process = self.start(*ENDLESS)
        self.wait_for_commits(6, process)
        elsewhere = self.run.with_name("elsewhere")
        self.run.rename(elsewhere)
        status, _, errors = self.finish(process)
        self.assertEqual(status, 2)
        self.assertIn("history.jsonl was removed or replaced, or its directory renamed", errors)
        self.assertEqual(len(errors.splitlines()), 1)
        # Nothing was begun in its place.
        self.assertFalse(self.run.exists())
        self.check_nothing_is_left()
        elsewhere.rename(self.run)
        second = self.start(*ENDLESS)
        self.wait_for_commits(len(self.events("commit")) + 4, second)
        self.interrupt(second)

    @pytest.mark.slow
    def test_two_interruptions_cost_nothing_that_was_saved(self):
        """First the coordinator is killed while it saves, then it gets a Ctrl-C; then it goes on to
        the end."""
        first = self.start_injected(*WHOLE)
        self.wait_for_commits(7, first)
        (self.faults / "checkpoint").touch()
        status, _, _ = self.finish(first)
        self.assertEqual(status, -signal.SIGKILL)
        self.assertLen(list((self.run / "checkpoints").glob(".*")), 1)
        self.check_nothing_is_left()
        second = self.start(*WHOLE)
        self.wait_for_commits(len(self.events("commit")) + 7, second)
        output, counted = self.interrupt(second)
        self.assertIn("resuming after commit", output)
        self.assertIn(f"run.dir={self.run}", output)
        status, output, errors = self.finish(self.start(*WHOLE))
        self.assertEqual((status, errors), (0, ""))
        # A Ctrl-C saves what is there: nothing is lost.
        self.assertIn(f"resuming after commit {counted} of {2 * EPOCHS}", output)
        self.assertEqual(self.events("resume")[-1]["discarded"], 0)
        self.check_every_commit_counts_once(2 * EPOCHS)
        self.assertEqual(list((self.run / "checkpoints").glob(".*")), [])
        self.check_schedule()
        status, _, errors = self.finish(self.start(*WHOLE))
        self.assertEqual(status, 2)
        self.assertIn(f"holds a run of {EPOCHS} epochs", errors)

    def check_schedule(self):
        """The learning rate is halved after two epochs, whenever their mini-epochs are merged."""
        commits = self.commits_that_count()
        rates = [commit["learning_rate"] / (commit["batch"] / 20) ** 0.5 for commit in commits]
        self.assertAllClose(rates[:3], [0.02] * 3)
        full, halved = (sum(abs(rate - each) < 1e-6 for rate in rates) for each in (0.02, 0.01))
        self.assertEqual(full + halved, len(rates))
        # The last mini-epoch of these epochs may be lost where a run is resumed.
        self.assertIn(full, (3, 4))

    @pytest.mark.slow
    def test_a_parameter_server_of_tf_config_comes_back(self):
        ports = free_ports(4)
        hosts = [f"127.0.0.1:{port}" for port in ports]
        addresses = ClusterAddresses(hosts[0], tuple(hosts[2:]), (hosts[1],))
        overrides = ["cluster.parameter_servers=1", *ENDLESS]
        tasks = {task.name: task for task in addresses.servers()}
        servers = {
            name: self.start(*overrides, tf_config=task.to_json()) for name, task in tasks.items()
        }
        try:
            chief = self.start(*overrides, tf_config=Task(addresses, "chief", 0).to_json())
            self.wait_for_commits(9, chief)
            servers["ps-0"].kill()
            servers["ps-0"].wait()
            servers["again"] = self.start(*overrides, tf_config=tasks["ps-0"].to_json())
            self.wait_until(lambda: self.events("resume"), chief)
            self.wait_for_commits(len(self.events("commit")) + 6, chief)
            chief.send_signal(signal.SIGINT)
            status, output, errors = self.finish(chief)
        finally:
            for server in servers.values():
                server.terminate()
                self.finish(server)
        self.assertEqual(status, 130, errors)
        self.assertLen(self.events("resume"), 1)
        self.check_every_commit_counts_once(len(self.commits_that_count()))


if __name__ == "__main__":
    tf.test.main()
