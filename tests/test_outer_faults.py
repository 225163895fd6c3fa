"""Runs with outer optimisers that lose workers, parameter servers and themselves."""

from __future__ import annotations

import signal

import numpy as np
import pytest

from dbsl_tf.results.checkpoints import Checkpoints
from tests.support.faults import FAULT_POINTS
from tests.test_faults import ENDLESS, FaultCase

RULES = {
    "delta": set(),
    "delayed_nesterov": {"momentum", "sum"},
    "nesterov": {"momentum"},
    "slowmo": {"gradients"},
}


@pytest.mark.cluster
@pytest.mark.slow
class OuterFaultTest(FaultCase):
    def outer(self, rule: str) -> list[str]:
        """The settings with which the rule is usable and does not diverge."""
        in_rounds = ["sync.mode=bsp", "optimizer.state=reset"]
        return [f"merge.rule={rule}", *(in_rounds if rule in ("nesterov", "slowmo") else [])]

    def check_saved(self, rule: str) -> None:
        """What was saved last belongs to the rule, and is usable."""
        saved = Checkpoints(self.run / "checkpoints", 5).latest(self.fail)
        self.assertEqual((saved.merge_rule, set(saved.merge_state)), (rule, RULES[rule]))
        for arrays in (saved.weights, *saved.merge_state.values()):
            self.assertTrue(all(np.isfinite(array).all() for array in arrays))
        # The sum is empty after every n-th commit.
        for name in RULES[rule] - {"sum"}:
            self.assertGreater(max(abs(m).max() for m in saved.merge_state[name]), 0)

    def check_killed_workers(self, rule: str) -> None:
        process = self.start_injected(*ENDLESS, *self.outer(rule), "schedule.eval_every=2")
        for number, point in enumerate(FAULT_POINTS):
            self.wait_for_commits(4, process)
            self.kill_at(point, number % 2, self.faults, process)
        merged = len(self.events("commit"))
        self.wait_until(
            lambda: {commit["worker"] for commit in self.events("commit")[merged:]} == {0, 1},
            process,
        )
        output, _ = self.interrupt(process)
        self.assertEqual(output.count("ended with SIGKILL"), len(FAULT_POINTS))
        self.assertEqual(self.events("resume"), [])
        self.check_saved(rule)

    def test_workers_killed_at_every_moment_of_their_work_with_delta(self):
        self.check_killed_workers("delta")

    def test_workers_killed_at_every_moment_of_their_work_with_delayed_nesterov(self):
        self.check_killed_workers("delayed_nesterov")

    def test_workers_killed_at_every_moment_of_their_work_with_nesterov(self):
        self.check_killed_workers("nesterov")

    def test_workers_killed_at_every_moment_of_their_work_with_slowmo(self):
        self.check_killed_workers("slowmo")

    def check_killed_server(self, rule: str) -> None:
        process = self.start(*ENDLESS, *self.outer(rule))
        self.wait_for_commits(11, process)
        self.send("ps-1", signal.SIGKILL)
        self.wait_until(lambda: self.events("resume"), process)
        self.wait_for_commits(len(self.events("commit")) + 6, process)
        output, commits = self.interrupt(process)
        self.assertIn("ps-1 ended with SIGKILL", output)
        self.assertNotIn("is dropped", output)
        (resume,) = self.events("resume")
        later = [c for c in self.events("commit") if c["commit"] > resume["commit"]]
        self.assertEqual(len(later) - resume["discarded"], commits - resume["commit"])
        self.check_saved(rule)

    def test_a_killed_parameter_server_with_delta(self):
        self.check_killed_server("delta")

    def test_a_killed_parameter_server_with_delayed_nesterov(self):
        self.check_killed_server("delayed_nesterov")

    def test_a_killed_parameter_server_with_nesterov(self):
        self.check_killed_server("nesterov")

    def test_a_killed_parameter_server_with_slowmo(self):
        self.check_killed_server("slowmo")
