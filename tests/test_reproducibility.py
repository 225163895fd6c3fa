"""BSP with a fixed seed: the same weights every time, interrupted or not."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from dbsl_tf.results.checkpoints import Checkpoint, Checkpoints
from dbsl_tf.results.stored_run import StoredRun
from tests.support.tiny_runs import TinyRunCase

# Enough of them, not to have ended when it is interrupted.
EPOCHS = 12
BSP = (
    *("sync.mode=bsp", "optimizer.state=keep", f"schedule.epochs={EPOCHS}"),
    *("evaluation.average=ema", "evaluation.average_epochs=1.5", "evaluation.batch_norm_batches=4"),
)


@pytest.mark.cluster
@pytest.mark.slow
class ReproducibilityTest(TinyRunCase):
    def train(self, name: str, interrupt: bool = False) -> Checkpoint:
        self.run = self.folder / name
        if interrupt:
            process = self.start(*BSP)
            self.wait_for_commits(2, process)
            process.send_signal(signal.SIGINT)
            status, _, errors = self.finish(process)
            self.assertEqual(status, 130, errors)
            self.assertLess(len(self.commits_that_count()), 2 * EPOCHS)
        status, _, errors = self.finish(self.start(*BSP))
        self.assertEqual((status, errors), (0, ""))
        return Checkpoints(Path(self.run / "checkpoints"), keep=3).latest(print)

    def evaluated(self) -> list[np.ndarray]:
        stored = StoredRun.read(self.run)
        found = stored.evaluated(stored.checkpoint())
        self.assertIn("batch-norm statistics from 4 training batches", found.words)
        return found.weights

    def check_alike(self, one: Checkpoint, other: Checkpoint) -> None:
        self.assertEqual((one.commit, one.clocks), (2 * EPOCHS, (EPOCHS, EPOCHS)))
        self.assertEqual((other.commit, other.samples), (2 * EPOCHS, one.samples))
        for ours, theirs in zip(one.weights, other.weights, strict=True):
            self.assertAllClose(ours, theirs, rtol=1e-4, atol=1e-5)
        for ours, theirs in zip(one.optimizer_state, other.optimizer_state, strict=True):
            self.assertAllClose(ours, theirs, rtol=1e-3, atol=1e-5)
        for ours, theirs in zip(one.average, other.average, strict=True):
            self.assertAllClose(ours, theirs, rtol=1e-4, atol=1e-5)

    def test_same_seed_same_weights_also_after_an_interruption(self):
        first = self.train("first")
        evaluated = self.evaluated()
        self.check_alike(first, self.train("interrupted", interrupt=True))
        for ours, theirs in zip(evaluated, self.evaluated(), strict=True):
            self.assertAllClose(ours, theirs, rtol=1e-3, atol=1e-4)
        self.assertGreater(np.abs(first.optimizer_state[0]).max(), 1e-4)


if __name__ == "__main__":
    tf.test.main()
