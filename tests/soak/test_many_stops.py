"""Runs whose workers hang again and again; minutes, so only run when asked for by their path."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest
import tensorflow as tf
from absl.testing import parameterized

from tests.support.patience import slowness
from tests.support.tiny_runs import TinyRunCase

STOPS = int(os.environ.get("SOAK_STOPS", "50"))
SEED = int(os.environ.get("SOAK_SEED", "0"))
OVERRIDES = (
    "data.train_samples=100",
    "dual_batch.large_batch=20",
    "schedule.epochs=100000",
    "schedule.eval_every=7",
    "checkpoint.every=3",
)


@pytest.mark.cluster
class ManyStopsTest(TinyRunCase, parameterized.TestCase):
    @parameterized.named_parameters(
        *((f"_{mode}", mode) for mode in ("asp", "ssp", "bsp", "stages"))
    )
    @pytest.mark.timeout(0)
    def test_others_go_on_when_a_worker_hangs(self, mode):
        """A worker is stopped at a moment of chance, until the other one has gone on without it."""
        chance = random.Random(f"{mode} {SEED}")
        timeout = 2 * slowness()
        process = self.start(*OVERRIDES, f"cluster.worker_timeout={timeout}", *_settings(mode))
        for number in range(STOPS):
            self.wait_until(self.both_have_trained(), process)
            time.sleep(chance.uniform(0, 0.5))
            worker = f"worker-{chance.randrange(2)}"
            self.send(worker, signal.SIGSTOP)
            stopped_at = len(self.events("commit"))
            # In a round the one that hangs may have had the other's part too.
            self.wait_for_commits(stopped_at + 6, process)
            self.send(worker, signal.SIGCONT)
            print(f"{mode}: {number + 1} of {STOPS}", flush=True)
        process.send_signal(signal.SIGINT)
        status, _, errors = self.finish(process)
        self.assertEqual((status, errors), (130, "interrupted\n"))
        self.check_every_commit_counts_once(len(self.commits_that_count()))
        self.check_nothing_is_left()

    def both_have_trained(self):
        """A condition: both workers have trained since now."""
        seen = len(self.events())
        return lambda: (
            len({e["worker"] for e in self.events()[seen:] if e["event"] == "commit"}) == 2
        )


def _settings(mode):
    if mode == "stages":
        # A new plan, with streams of its own, every few epochs.
        return ("dual_batch.replan=true", "sync.mode=ssp", "sync.staleness=3")
    return (f"sync.mode={mode}", *(("sync.staleness=3",) if mode == "ssp" else ()))


if __name__ == "__main__":
    tf.test.main()
