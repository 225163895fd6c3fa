"""Measures in which precision a run is faster."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbsl_tf.common.errors import ClusterError
from dbsl_tf.common.processor import WorkerProcessor
from dbsl_tf.profiling.precision_choice import (
    CANDIDATES,
    PrecisionChoice,
    choose,
    unmeasured,
)

if TYPE_CHECKING:
    from dbsl_tf.cluster.connecting import ReadyCluster
    from dbsl_tf.data.training_data import TrainingData
    from dbsl_tf.engine.engine import Engine
    from dbsl_tf.measuring.timed_runs import Report, TimedRuns
    from dbsl_tf.resolved import RunSettings

NO_BFLOAT16 = "as the workers have no processor or GPU that computes in bfloat16"
NOT_TOGETHER = (
    "as the workers did not train at the same time, so that the precisions could not be "
    "compared; use no more workers than cores, or give compute.precision"
)
# The precisions alternate in each round. A run must be long enough to make start-up negligible.
_ROUNDS = 5
_RUN_SECONDS = 1.0
_MOST_SECONDS = 60.0
_WARM_UP_STEPS = 2


class WorkersApart(Exception):
    """The workers do not run at the same time, however long their runs are."""


@dataclass
class Candidate:
    """A precision that is timed.

    Attributes:
        runs: timed runs of its network, with input pipelines loaded.
        batch: samples in a batch.
        steps: steps of each run; increased if runs are too short.
    """

    runs: TimedRuns
    batch: int
    steps: int = _WARM_UP_STEPS

    def settle_steps(self) -> None:
        """Runs a few steps to find how many take about `_RUN_SECONDS`."""
        self._loop_seconds()
        step = max(self._loop_seconds()) / self.steps
        self.steps = max(self.steps, math.ceil(_RUN_SECONDS / step))

    def speed(self) -> float:
        """Returns images/s of all workers together."""
        seconds = self._loop_seconds()
        return sum(self.steps * self.batch / each for each in seconds)

    def _loop_seconds(self) -> list[float]:
        """Returns the seconds each worker takes for the steps, all running at the same time."""
        began = time.monotonic()
        while True:
            # None if one worker did another's run: with few cores it may end its own run before
            # the other begins.
            if (results := self.runs.run([self.steps] * self.runs.workers)) is not None:
                return [float(result.loop_seconds) for result in results.values()]
            if not self.runs.all_present:
                raise ClusterError(
                    "the workers do not run at the same time: one is hung or dead; restart its "
                    "server"
                )
            if time.monotonic() - began > _MOST_SECONDS:
                raise WorkersApart
            self.steps *= 2


def choose_on_cluster(
    settings: RunSettings, data: TrainingData, cluster: ReadyCluster, report: Report
) -> PrecisionChoice:
    """Returns the precision to train in, by the workers' hardware and their measured speed.

    Args:
        settings: the run's settings.
        data: the data to train on.
        cluster: a cluster whose servers answer.
        report: called with one line on each thing it does.
    """
    # Imported here because they load TensorFlow.
    import tensorflow as tf

    from dbsl_tf.engine.engine import Engine
    from dbsl_tf.measuring.processor_reading import read_processors

    engine = Engine(cluster.task, cluster.limits)
    on_gpus = bool(tf.config.list_logical_devices("GPU"))  # of all workers
    if not may_gain(read_processors(engine), on_gpus):
        return unmeasured(NO_BFLOAT16)
    try:
        return choose(compare(settings, data, cluster, engine, report))
    except WorkersApart:
        return unmeasured(NOT_TOGETHER)


def may_gain(workers: Sequence[WorkerProcessor], on_gpus: bool) -> bool:
    """Returns whether bfloat16 is worth measuring: every worker can compute in it."""
    return on_gpus or bool(workers) and all(each.processor.has_bfloat16 for each in workers)


def compare(
    settings: RunSettings,
    data: TrainingData,
    cluster: ReadyCluster,
    engine: Engine,
    report: Report,
) -> list[dict[str, float]]:
    """Trains some steps with the large batch, alternating between the precisions.

    All workers train at once, as in the run, with its network at its highest resolution.

    Args:
        settings: the run's settings; their precision is ignored.
        data: the data to train on.
        cluster: a cluster whose servers answer.
        engine: the engine connected to it.
        report: called with one line on each thing it does.

    Returns:
        For each round, images/s of all workers together, by precision.

    Raises:
        ClusterError: a worker does not answer.
        WorkersApart: the workers would not run at the same time.
    """
    from dbsl_tf.coordinator.components import build_components
    from dbsl_tf.measuring.timed_runs import TimedRuns

    batch, rate = settings.highest.large_batch, settings.optimizer.base_lr * 1e-3
    candidates = {}
    for precision in CANDIDATES:
        report(f"comparing precisions: loading the network in {precision}")
        # Timed runs take the batches that come next.
        chosen = settings.with_precision(precision).with_sharing("shared")
        components = build_components(chosen, data, cluster, engine=engine)
        runs = TimedRuns(components, settings.highest.resolution, rate)
        runs.load([[batch]] * engine.workers)
        candidates[precision] = Candidate(runs, batch)
    for candidate in candidates.values():
        candidate.settle_steps()
    rounds: list[dict[str, float]] = []
    began = time.monotonic()
    while not rounds or (len(rounds) < _ROUNDS and time.monotonic() - began < _MOST_SECONDS):
        report(f"comparing precisions: round {len(rounds) + 1} of at most {_ROUNDS}")
        rounds.append({name: candidate.speed() for name, candidate in candidates.items()})
    return rounds
