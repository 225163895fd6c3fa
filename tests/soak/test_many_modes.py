"""Runs in many combinations of modes that survive faults of all kinds; a quarter of an hour.

So only run when asked for by its path: SOAK_FAULTS says how many faults in all, SOAK_SEED which.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from itertools import cycle, islice
from random import Random

import pytest
import tensorflow as tf
from absl.testing import parameterized

from dbsl_tf.results.run_directory import RunDirectory
from tests.soak.survived_faults import SurvivedFaultsCase
from tests.support import counted_samples, tiny_runs
from tests.support.commands import run_command
from tests.support.networks import silent_isolation
from tests.test_disjoint import DisjointCase

FAULTS = int(os.environ.get("SOAK_FAULTS", "40"))
SEED = int(os.environ.get("SOAK_SEED", "0"))
# More than any run comes to: the test ends each when it has survived its faults.
ENDLESS = 2000
# Epochs in which the resolution rises once.
STAGE = 4
MORE_EPOCHS = 3
DIGITS = ("data.train_samples=100", "dual_batch.large_batch=20", "schedule.milestones=[]")


@dataclass(frozen=True)
class Mode:
    """A combination of modes.

    Attributes:
        name: in names of tests.
        overrides: of the configuration.
        workers: how many.
        parameter_servers: how many.
        mini_epochs: of a worker in an epoch.
        counted: whether the weights tell how often each sample was trained.
        progressive: whether the resolution rises, again and again.
    """

    name: str
    overrides: tuple[str, ...]
    workers: int = 2
    parameter_servers: int = 2
    mini_epochs: int = 1
    counted: bool = False
    progressive: bool = False

    @property
    def disjoint(self) -> bool:
        return self.counted or "data.sharing=disjoint" in self.overrides

    @property
    def elastic(self) -> bool:
        return any(key.startswith("cluster.min_workers=") for key in self.overrides)

    @property
    def configuration(self) -> str:
        text = counted_samples.CONFIGURATION if self.counted else tiny_runs.CONFIGURATION
        return text.replace("ISOLATION", silent_isolation())

    def of_epochs(self, epochs: int) -> tuple[str, ...]:
        """What is overridden in the configuration of a run of so many epochs."""
        lengths = [f"schedule.epochs={epochs}"]
        if self.progressive:
            # Each stage has room for both resolutions.
            ends = [*range(STAGE, epochs - 1, STAGE), epochs]
            lengths.append(f"progressive.stage_ends={ends}")
        # What the workers of a counted run have added is added up.
        rate = [f"merge.learning_rate={self.workers}"] if self.counted else []
        every = ["schedule.eval_every=2", "checkpoint.every=2"]
        merges = [f"schedule.mini_epochs_per_epoch={self.mini_epochs}"]
        return (*self.overrides, *lengths, *rate, *every, *merges)


RISING = (
    *("progressive.mode=cyclic", "progressive.resolutions=[8,12]"),
    *("progressive.a=[0.001,0.001]", "progressive.b=[0.01,0.01]"),
)
BFLOAT16 = "cluster.transfer_dtype=bfloat16"
KEEP, RESET = "optimizer.state=keep", "optimizer.state=reset"
SSP = ("sync.mode=ssp", "sync.staleness=1")
MODES = (
    Mode("counted_asp", ("sync.mode=asp",), counted=True),
    Mode("counted_bsp_bfloat16", ("sync.mode=bsp", BFLOAT16), parameter_servers=1, counted=True),
    Mode("counted_ssp_bfloat16", (*SSP, BFLOAT16), mini_epochs=3, counted=True),
    Mode("asp_keep_bfloat16", (*DIGITS, "sync.mode=asp", KEEP, BFLOAT16), mini_epochs=2),
    Mode(
        "bsp_keep_disjoint",
        (*DIGITS, "sync.mode=bsp", KEEP, "data.sharing=disjoint"),
        workers=3,
    ),
    Mode(
        "bsp_keep_disjoint_elastic",
        (*DIGITS, "sync.mode=bsp", KEEP, "data.sharing=disjoint", "cluster.min_workers=2"),
        workers=3,
    ),
    Mode(
        "ssp_reset_progressive",
        (*DIGITS, *SSP, *RISING, RESET),
        parameter_servers=3,
        progressive=True,
    ),
    Mode(
        "asp_keep_disjoint_progressive",
        (*DIGITS, "sync.mode=asp", *RISING, KEEP, "data.sharing=disjoint", BFLOAT16),
        progressive=True,
    ),
    Mode(
        "ssp_keep_disjoint_elastic",
        (*DIGITS, *SSP, KEEP, "data.sharing=disjoint", "cluster.min_workers=1"),
        workers=3,
        mini_epochs=2,
    ),
)


def shares(kinds: list[str]) -> dict[str, list[str]]:
    """The kinds of the faults of each mode, of which all are about as frequent."""
    faults = list(islice(cycle(kinds), FAULTS))
    Random(SEED).shuffle(faults)
    return {mode.name: faults[index :: len(MODES)] for index, mode in enumerate(MODES)}


@pytest.mark.cluster
class ManyModesTest(SurvivedFaultsCase, DisjointCase, parameterized.TestCase):
    @parameterized.named_parameters(*((f"_{mode.name}", mode) for mode in MODES))
    @pytest.mark.timeout(0)
    def test_a_run_survives(self, mode):
        """Every commit counts once, and the run ends with all of its results."""
        self.config.write_text(mode.configuration)
        self.begin(
            Random(f"{SEED} {mode.name}"),
            mode.workers,
            mode.parameter_servers,
            *mode.of_epochs(ENDLESS),
        )
        faults = shares(list(self.kinds))[mode.name]
        survived = Counter()
        for number, kind in enumerate(faults, 1):
            fault = self.survive(kind)
            survived[fault] += 1
            print(f"{mode.name}: {number} of {len(faults)}: {fault}", flush=True)
        self.wait_for_all_workers()
        self.interrupt(self.process)
        epochs = max(commit["epoch"] for commit in self.commits_that_count()) + MORE_EPOCHS
        self.go_on(*mode.of_epochs(epochs))
        status, _, errors = self.finish(self.process)
        self.assertEqual((status, errors), (0, ""))
        self.check_results(mode, epochs)
        resumed = len(self.events("resume"))
        print(f"{mode.name}: {epochs} epochs, {resumed} resumptions, {dict(survived)}", flush=True)

    def check_results(self, mode, epochs):
        """The run has ended, and its history, weights, results and logs are what they must be."""
        self.check_nothing_is_left()
        commits = len(self.commits_that_count())
        self.check_every_commit_counts_once(commits)
        if not mode.elastic:
            self.assertEqual(commits, epochs * mode.workers * mode.mini_epochs)
        if mode.counted:
            self.check_whole(epochs)
        if mode.disjoint:
            audit = run_command("audit", self.run)
            self.assertEqual((audit.returncode, audit.stderr), (0, ""), audit.stdout)
            self.assertIn(f"every sample of {epochs} complete epochs was trained", audit.stdout)
        run = RunDirectory(self.run)
        self.assertTrue(run.is_complete)
        self.assertEqual(run.read_json(run.summary)["commits"], commits)
        logs = [log.read_text(errors="replace") for log in run.logs.iterdir()]
        printed = [text for process in self.coordinators for text in self.printed(process)]
        for text in [*logs, *printed]:
            self.assertNotIn("Traceback", text)


if __name__ == "__main__":
    tf.test.main()
