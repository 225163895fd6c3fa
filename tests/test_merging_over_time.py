"""Whole runs whose epochs are merged often, then once, then not at all, interrupted in between."""

from __future__ import annotations

import signal

import numpy as np
import pytest
import tensorflow as tf

from dbsl_tf.operating.status import read_status
from dbsl_tf.reporting.comparison import group_runs
from dbsl_tf.reporting.page import render_page
from dbsl_tf.reporting.reading import read_run
from tests.support.tiny_runs import TinyRunCase

# Epoch 1 has three mini-epochs of each worker, epoch 2 one; 3 and 4 are trained in one.
MERGES = (
    *("schedule.epochs=4", "schedule.milestones=[1]", "schedule.gamma=0.5"),
    *("schedule.mini_epochs_per_epoch=3", "schedule.merge_interval=quadratic"),
    *("schedule.final_local_epochs=2", "schedule.eval_every=1"),
)
EPOCHS = [1] * 6 + [2] * 2 + [4] * 2


def base_rate(commit: dict) -> float:
    """The learning rate of a commit before it followed the worker's batch."""
    return commit["learning_rate"] / (commit["batch"] / 50) ** 0.5


@pytest.mark.cluster
@pytest.mark.slow
class MergingOverTimeTest(TinyRunCase):
    def check_run(self, interrupted: bool):
        self.check_every_commit_counts_once(len(EPOCHS))
        commits = self.commits_that_count()
        self.assertEqual([c["epoch"] for c in commits], EPOCHS)
        # Without rounds, mini-epochs of epoch 2 may be merged before the last of epoch 1. The rate
        # falls after epoch 1, and stays as it was at the start of epoch 3.
        merged, local = commits[:8], commits[8:]
        first = [c for c in merged if base_rate(c) > 0.015]
        second = [c for c in merged if base_rate(c) < 0.015]
        # Of those in flight at the interruption the last number may be trained a second time, in
        # place of an earlier one.
        self.assertIn((len(first), len(second)), [(6, 2), (5, 3)] if interrupted else [(6, 2)])
        # d = 300; whoever trained, shares differ by k = 1.1 alone.
        for part, samples, rate in ((first, 50, 0.02), (second, 150, 0.01), (local, 300, 0.01)):
            self.assertAllClose(np.mean([c["samples"] for c in part]), samples, rtol=0.15)
            self.assertAllClose([base_rate(c) for c in part], [rate] * len(part))
        self.assertEqual([c["worker"] for c in local], [0, 1])
        self.assertEqual([c["staleness"] for c in local], [0, 0])
        evaluations = sorted({(e["commit"], e["epoch"]) for e in self.events("evaluation")})
        due = [(6, 1), (8, 2), (10, 4)]
        # The first may be under way at the interruption.
        self.assertIn(evaluations, [due, due[1:]] if interrupted else [due])
        run, status = read_run(self.run), read_status(self.run)
        self.assertTrue(run.finished)
        self.assertEqual((status.commits, status.of_commits, status.epoch), (10, 10, 4))
        self.assertEqual([e.epochs for e in run.evaluations], [e for _, e in evaluations])
        self.assertIn("3 of which are an epoch", render_page(group_runs([run])))

    def test_interrupted_in_the_middle_of_an_epoch(self):
        process = self.start(*MERGES, "sync.mode=ssp")
        self.wait_for_commits(3, process)
        process.send_signal(signal.SIGINT)
        self.finish(process)
        status, _, errors = self.finish(self.start(*MERGES, "schedule.mini_epochs_per_epoch=2"))
        self.assertEqual(status, 2)
        self.assertIn("schedule.mini_epochs_per_epoch", errors)
        status, output, errors = self.finish(self.start(*MERGES, "sync.mode=ssp"))
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("epoch   4/4  small loss", output)
        self.check_run(interrupted=True)

    def test_in_rounds(self):
        status, _, errors = self.finish(self.start(*MERGES, "sync.mode=bsp"))
        self.assertEqual((status, errors), (0, ""))
        self.check_run(interrupted=False)
        commits = self.commits_that_count()
        self.assertEqual([c["worker"] for c in commits], [0, 1] * 5)
        self.assertAllClose([base_rate(c) for c in commits], [0.02] * 6 + [0.01] * 4)


if __name__ == "__main__":
    tf.test.main()
