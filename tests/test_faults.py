"""Runs of the real command line that lose workers, parameter servers and their coordinator."""

from __future__ import annotations

import signal
import time

import pytest
import tensorflow as tf

from dbsl_tf.cluster.local import free_ports
from dbsl_tf.cluster.task import ClusterAddresses, Task
from dbsl_tf.coordinator import moments
from tests.support.tiny_runs import TinyRunCase

LONG = ("schedule.epochs=30", "schedule.eval_every=30", "checkpoint.every=2")
INJECTED = ("-m", "tests.support.injected_train")


@pytest.mark.cluster
class FaultTest(TinyRunCase):
    def setUp(self):
        super().setUp()
        self.faults = self.folder / "faults"
        self.faults.mkdir()

    def test_workers_killed_at_every_moment_of_their_work(self):
        process = self.start(
            "schedule.epochs=120",
            "schedule.eval_every=2",
            program=INJECTED,
            FAULT_FOLDER=str(self.faults),
        )
        at = (
            moments.BEFORE_PULL,
            moments.IN_THE_LOOP,
            moments.DURING_PUSH,
            moments.AFTER_PUSH,
            moments.DURING_EVALUATION,
        )
        for number, moment in enumerate(at):
            self.wait_for_commits(4, process)
            self.kill_at(moment, number % 2, self.faults, process)
        status, output, errors = self.finish(process)
        self.assertEqual((status, errors), (0, ""))
        self.assertEqual(output.count("ended with SIGKILL"), len(at))
        self.assertIn(f"started again ({len(at)} of 10 times)", output)
        self.check_every_commit_counts_once(240)
        last = self.events("commit")[-20:]
        self.assertEqual({(c["worker"], c["role"]) for c in last}, {(0, "small"), (1, "large")})
        self.assertEqual(self.events("resume"), [])
        self.assertEqual(
            [evaluation["commit"] for evaluation in self.events("evaluation")],
            list(range(4, 241, 4)),
        )
        self.check_nothing_is_left()

    def test_a_coordinator_killed_while_it_saves_goes_on_from_the_checkpoint_before(self):
        process = self.start(*LONG, program=INJECTED, FAULT_FOLDER=str(self.faults))
        self.wait_for_commits(9, process)
        (self.faults / "checkpoint").touch()
        process.wait(60)
        self.assertEqual(process.returncode, -signal.SIGKILL)
        self.assertLen(list((self.run / "checkpoints").glob(".*")), 1)
        status, _, errors = self.finish(self.start(*LONG))
        self.assertEqual((status, errors), (0, ""))
        self.check_every_commit_counts_once(60)
        self.assertEqual(list((self.run / "checkpoints").glob(".*")), [])

    def test_a_hung_worker_is_left_alone_and_taken_back(self):
        process = self.start(
            "schedule.epochs=60",
            "schedule.eval_every=60",
            "cluster.worker_timeout=2",
            program=INJECTED,
            FAULT_FOLDER=str(self.faults),
        )
        self.wait_for_commits(5, process)
        self.stop_in_the_loop(1, self.faults, process)
        kinds = lambda: [event["kind"] for event in self.events("fault")]  # noqa: E731
        self.wait_until(lambda: "absent" in kinds(), process)
        stopped_at = len(self.events("commit"))
        self.wait_for_commits(stopped_at + 10, process)
        alone = self.events("commit")[stopped_at + 2 :]
        self.assertEqual({commit["worker"] for commit in alone}, {0})
        self.send("worker-1", signal.SIGCONT)
        self.wait_until(lambda: "back" in kinds(), process)
        status, output, errors = self.finish(process)
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("worker 1 takes no part (no answer for", output)
        self.check_every_commit_counts_once(120)
        self.assertIn(1, {commit["worker"] for commit in self.events("commit")[-10:]})

    def test_a_barrier_does_not_hang_when_a_worker_does(self):
        process = self.start(
            *LONG,
            "sync.mode=bsp",
            "cluster.worker_timeout=2",
            program=INJECTED,
            FAULT_FOLDER=str(self.faults),
        )
        self.wait_for_commits(6, process)
        self.stop_in_the_loop(1, self.faults, process)
        status, output, errors = self.finish(process)
        self.assertEqual((status, errors), (0, ""))
        self.check_every_commit_counts_once(60)
        self.assertEqual({commit["worker"] for commit in self.events("commit")[-6:]}, {0})
        self.check_nothing_is_left()

    def test_a_killed_parameter_server_costs_what_came_after_the_checkpoint(self):
        process = self.start(*LONG)
        self.wait_for_commits(11, process)
        killed = time.monotonic()
        self.send("ps-1", signal.SIGKILL)
        self.wait_until(lambda: self.events("resume"), process)
        self.assertLess(time.monotonic() - killed, 30)
        status, output, errors = self.finish(process)
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("ps-1 ended with SIGKILL", output)
        (resume,) = self.events("resume")
        lost = [c for c in self.events("commit") if c["commit"] > resume["commit"]]
        self.assertEqual(resume["commit"] % 4, 0)
        self.assertEqual(len(lost) - resume["discarded"], 60 - resume["commit"])
        self.check_every_commit_counts_once(60)
        self.check_nothing_is_left()

    def test_two_interruptions_cost_nothing(self):
        """First the coordinator is killed, then it gets a Ctrl-C; then it goes on to the end."""
        first = self.start(*LONG)
        self.wait_for_commits(9, first)
        first.kill()
        self.finish(first)
        self.check_nothing_is_left()
        second = self.start(*LONG)
        self.wait_for_commits(len(self.events("commit")) + 9, second)
        second.send_signal(signal.SIGINT)
        status, output, errors = self.finish(second, seconds=30)
        self.assertEqual((status, errors), (130, "interrupted\n"))
        self.assertIn("going on after commit", output)
        self.assertIn(f"run.dir={self.run}", output)
        self.check_nothing_is_left()
        counted = len(self.commits_that_count())
        status, output, errors = self.finish(self.start(*LONG))
        self.assertEqual((status, errors), (0, ""))
        # A Ctrl-C saves what is there: nothing is lost.
        self.assertIn(f"going on after commit {counted} of 60", output)
        self.assertEqual(self.events("resume")[-1]["discarded"], 0)
        self.check_every_commit_counts_once(60)
        self.check_schedule()
        status, _, errors = self.finish(self.start(*LONG))
        self.assertEqual(status, 2)
        self.assertIn("holds a run of 30 epochs", errors)

    def check_schedule(self):
        """The learning rate is halved after two epochs, give or take what was in flight."""
        scale = {21: (21 / 50) ** 0.5, 50: 1.0}
        for commit in self.commits_that_count():
            rate = commit["learning_rate"] / scale[commit["batch"]]
            if commit["commit"] <= 3:
                self.assertAllClose(rate, 0.02)
            if commit["commit"] >= 6:
                self.assertAllClose(rate, 0.01)

    def test_a_parameter_server_of_tf_config_comes_back(self):
        ports = free_ports(4)
        hosts = [f"127.0.0.1:{port}" for port in ports]
        addresses = ClusterAddresses(hosts[0], tuple(hosts[2:]), (hosts[1],))
        overrides = ["cluster.parameter_servers=1", *LONG]
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
            status, output, errors = self.finish(chief)
        finally:
            for server in servers.values():
                server.terminate()
                self.finish(server)
        self.assertEqual(status, 0, errors)
        self.assertLen(self.events("resume"), 1)
        self.check_every_commit_counts_once(60)


if __name__ == "__main__":
    tf.test.main()
