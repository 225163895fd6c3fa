"""Real runs with other optimisers than the default, built in and of another module."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from dbsl_tf.results.checkpoints import Checkpoint, Checkpoints
from tests.support.tiny_runs import TinyRunCase

OWN = "optimizer.name=tests.support.own_optimizers:Lion"
# A worker that is free while another one evaluates may begin a mini-epoch before its last one is
# merged, and then goes on from the state before that.
NO_EVALUATION = "schedule.eval_every=100"


@pytest.mark.cluster
class OptimizersTest(TinyRunCase):
    def last(self) -> Checkpoint:
        checkpoint = Checkpoints(Path(self.run / "checkpoints"), keep=3).latest(print)
        self.assertIsNotNone(checkpoint)
        return checkpoint

    @pytest.mark.slow
    def test_one_of_another_module_trains_and_keeps_its_state(self):
        status, _, errors = self.finish(
            self.start(
                OWN,
                "optimizer.options={warm_up: 2}",
                "optimizer.state=keep",
                "optimizer.clip_norm=5",
                "optimizer.base_lr=0.001",
                "cluster.transfer_dtype=bfloat16",
                NO_EVALUATION,
            )
        )
        self.assertEqual((status, errors), (0, ""))
        commits = self.events("commit")
        first, last = (
            [c["train_loss"] for c in commits[part]] for part in (slice(2), slice(-2, None))
        )
        self.assertLess(np.mean(last), np.mean(first))
        steps = [sum(c["steps"] for c in commits if c["worker"] == worker) for worker in (0, 1)]
        self.assertAllEqual(self.last().optimizer_state[-1], steps)

    @pytest.mark.slow
    def test_adamw_goes_on_with_its_state(self):
        adamw = ("optimizer.name=adamw", "optimizer.state=keep", "optimizer.base_lr=0.001")
        # Many epochs, not to have ended when it is interrupted.
        adamw += (NO_EVALUATION, "schedule.epochs=20")
        process = self.start(*adamw, "checkpoint.every=1")
        self.wait_for_commits(2, process)
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(process)[0], 130)
        status, _, errors = self.finish(self.start("optimizer.name=sgd", *adamw[1:]))
        self.assertEqual(status, 2)
        self.assertIn("optimizer.name was adamw, now sgd: ", errors)
        self.assertEqual(len(errors.splitlines()), 1)
        status, _, errors = self.finish(self.start(*adamw))
        self.assertEqual((status, errors), (0, ""))
        commits = self.commits_that_count()
        self.check_every_commit_counts_once(40)
        steps = [sum(c["steps"] for c in commits if c["worker"] == worker) for worker in (0, 1)]
        self.assertAllEqual(self.last().optimizer_state[0], steps)

    @pytest.mark.slow
    def test_a_path_that_leads_nowhere_is_one_line_before_anything_is_begun(self):
        status, output, errors = self.finish(self.start(f"{OWN}s"))
        self.assertEqual((status, output), (2, ""))
        self.assertIn("has no Lions; did you mean Lion?", errors)
        self.assertEqual(len(errors.splitlines()), 1)
        self.assertFalse(self.run.exists())


if __name__ == "__main__":
    tf.test.main()
