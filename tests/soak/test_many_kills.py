"""A run that loses dozens of processes; some minutes, so only run when asked for by its path."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest
import tensorflow as tf

from tests.support.faults import FAULT_POINTS
from tests.support.patience import slowness
from tests.support.tiny_runs import TinyRunCase

KILLS = int(os.environ.get("SOAK_KILLS", "24"))
SEED = int(os.environ.get("SOAK_SEED", "0"))
EPOCHS = 40 * KILLS
OVERRIDES = (
    f"schedule.epochs={EPOCHS}",
    "schedule.eval_every=4",
    "checkpoint.every=4",
    "cluster.max_restarts=1000",
    f"cluster.worker_timeout={3 * slowness()}",
)


@pytest.mark.cluster
class ManyKillsTest(TinyRunCase):
    @pytest.mark.timeout(0)
    def test_many_kills(self):
        """Workers at every moment, parameter servers, the coordinator; hung workers between."""
        chance = random.Random(SEED)
        self.faults = self.folder / "faults"
        self.faults.mkdir()
        process, killed = self.begin(), {}
        kinds = ["worker"] * 6 + ["parameter server", "coordinator", "saving", "hung"]
        while sum(killed.values()) < KILLS:
            kind = kinds[sum(killed.values())] if not killed else chance.choice(kinds)
            self.settle(process)
            if kind == "worker":
                point, worker = chance.choice(FAULT_POINTS), chance.randrange(2)
                self.kill_at(point, worker, self.faults, process)
                kind = f"worker {point}"
            elif kind == "parameter server":
                resumed = len(self.events("resume"))
                self.send(
                    f"ps-{chance.randrange(2)}", chance.choice([signal.SIGKILL, signal.SIGTERM])
                )
                self.wait_until(lambda: len(self.events("resume")) > resumed, process)  # noqa: B023
            elif kind == "hung":
                worker = chance.randrange(2)
                self.send(f"worker-{worker}", signal.SIGSTOP)
                time.sleep(5 * slowness())
                self.send(f"worker-{worker}", signal.SIGCONT)
            else:
                if kind == "saving":
                    (self.faults / "checkpoint").touch()
                else:
                    process.kill()
                process.wait()
                self.finish(process)
                self.check_nothing_is_left()
                process = self.begin()
            killed[kind] = killed.get(kind, 0) + 1
            print(f"{sum(killed.values())} of {KILLS}: {kind}", flush=True)
        status, _, errors = self.finish(process)
        self.assertEqual((status, errors), (0, ""))
        self.check_every_commit_counts_once(2 * EPOCHS)
        self.check_nothing_is_left()
        print(killed, f"{len(self.events('resume'))} resumptions")

    def begin(self):
        return self.start(
            *OVERRIDES,
            program=("-m", "tests.support.injected_train"),
            FAULT_FOLDER=str(self.faults),
        )

    def settle(self, process):
        """Wait until both workers have trained since the last fault."""
        seen = len(self.events())
        self.wait_until(
            lambda: len({e["worker"] for e in self.events()[seen:] if e["event"] == "commit"}) == 2,
            process,
        )


if __name__ == "__main__":
    tf.test.main()
