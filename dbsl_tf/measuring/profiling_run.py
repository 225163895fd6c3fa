"""Measures training steps, mini-epochs, memory, merges and an evaluation on a cluster."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import NamedTuple

import numpy as np

from dbsl_tf.cluster.connecting import ReadyCluster
from dbsl_tf.common.processor import WorkerProcessor
from dbsl_tf.coordinator.components import Components, build_components
from dbsl_tf.data.training_data import TrainingData
from dbsl_tf.measuring.memory_measurement import MemoryMeasurement
from dbsl_tf.measuring.operating_points import measurement_of, time_operating_points
from dbsl_tf.measuring.processor_reading import read_processors
from dbsl_tf.measuring.timed_runs import Report, Round, RunPair, TimedRuns
from dbsl_tf.profiling.measurement import Measurement
from dbsl_tf.resolved import RunSettings
from dbsl_tf.schedules.progressive import ResolutionSettings

_SMALLEST_BATCH = 4
_SIZES = 8
# The share of the measuring time for the scan over all sizes. The rest is for the two sizes
# between which the model is used, whose times decide whether the workers finish together.
_SCAN_PART = 0.35
_SCAN_ROUNDS = 4
_MERGES = 5


class Measured(NamedTuple):
    """The measurements at each resolution of a run, from low to high, and the hardware.

    Attributes:
        measurements: by resolution; at the highest also memory, merges and an evaluation.
        processors: the workers' processors.
    """

    measurements: dict[int, Measurement]
    processors: list[WorkerProcessor]


def scan_sizes(largest: int) -> list[int]:
    """Returns batch sizes from 4 to `largest`, about evenly spaced on a logarithmic scale."""
    smallest = min(_SMALLEST_BATCH, largest)
    sizes = np.geomspace(smallest, largest, _SIZES)
    return sorted({int(round(size)) for size in sizes})


def measure(
    settings: RunSettings, data: TrainingData, cluster: ReadyCluster, report: Report
) -> Measured:
    """Times training steps of several batch sizes, mini-epochs, merges and an evaluation.

    Every figure comes from the closure that training runs: pull, steps, push. All workers run it
    at the same time, because in training, too, they share cores, memory bandwidth and network.
    For each batch size a short and a long run alternate; the difference of their times divided by
    the difference of their steps is the time of a step, free of one-off costs. The time of a run
    beyond its steps is the overhead of a mini-epoch. A scan over all sizes comes first, and a plan
    is made from it; then B_S and B_L of this plan are timed as they will be used. Nothing is merged
    until everything is measured.

    Args:
        settings: model, data, optimiser and cluster; `profile.max_batch` ends the scan and
            `profile.seconds` is about how long the timed runs of a resolution take together.
        data: to train and to test on; files are at the same paths on every worker.
        cluster: whose servers answer.
        report: called with a line on what is being done.

    Raises:
        ClusterError: the workers would not run at the same time.
        UserError: too few batch sizes could be timed.
    """
    components = build_components(settings, data, cluster)
    processors = read_processors(components.engine)
    highest, *lower = reversed(settings.resolutions)
    # The highest first: memory is measured as a process's peak.
    memory, timed = _measure_resolution(settings, components, cluster, highest, report, True)
    measurements = {highest.resolution: timed}
    for part in lower:
        _, timed = _measure_resolution(settings, components, cluster, part, report, False)
        measurements[part.resolution] = timed
    report("timing merges and an evaluation")
    measurements[highest.resolution] = replace(
        measurements[highest.resolution],
        memory=tuple(memory.samples),
        free_bytes=memory.free_bytes(),
        merge_seconds=_time_merges(components),
        evaluation_seconds=_time_evaluation(components),
    )
    return Measured(dict(sorted(measurements.items())), processors)


def _measure_resolution(
    settings: RunSettings,
    components: Components,
    cluster: ReadyCluster,
    part: ResolutionSettings,
    report: Report,
    up_to_the_budget: bool,
) -> tuple[MemoryMeasurement, Measurement]:
    """Measures memory and times at one resolution; memory, if wanted, up to the budget."""
    runs = TimedRuns(components, part.resolution, settings.optimizer.base_lr * 1e-3)
    memory = MemoryMeasurement(components.engine, runs, cluster)
    # Not beyond B_L: t(B) is not quite linear, and the line has to fit where it is used.
    sizes = scan_sizes(settings.profile.max_batch or part.large_batch)
    batches = ", ".join(map(str, sizes))
    report(f"resolution {part.resolution}: warming up batches of {batches}")
    estimates = memory.warm_up(sizes)
    if up_to_the_budget:
        # Before the timed runs, which may leave memory allocated.
        memory.extend(settings.profile.memory_budget, report)
    seconds = settings.profile.seconds
    scan = _time_scan(runs, sizes, estimates, seconds * _SCAN_PART, report)
    operating_seconds = seconds * (1 - _SCAN_PART)
    rounds = time_operating_points(settings, runs, scan, operating_seconds, report)
    return memory, measurement_of(*rounds)


def _time_scan(
    runs: TimedRuns,
    sizes: Sequence[int],
    estimates: dict[int, float],
    seconds: float,
    report: Report,
) -> list[Round]:
    """Returns rounds over all sizes; all workers run each size at the same time."""
    pair_seconds = seconds / _SCAN_ROUNDS / len(sizes)
    pairs = [
        RunPair.lasting(pair_seconds, [size] * runs.workers, [estimates[size]] * runs.workers)
        for size in sizes
    ]
    return runs.time_rounds(pairs, seconds, report, f"batches of {sizes[0]} to {sizes[-1]}")


def _time_merges(components: Components) -> float:
    """Returns the seconds of a merge as seen by the coordinator."""
    seconds = []
    slot = components.shared_model.new_slot()
    for _ in range(_MERGES):
        began = time.monotonic()
        components.shared_model.merge(slot, 0, 1.0)
        seconds.append(time.monotonic() - began)
    return median(seconds)


def _time_evaluation(components: Components) -> float:
    """Returns the seconds of the second evaluation by all workers; the first includes tracing."""
    for _ in range(2):
        components.evaluator.snapshot()
        record = components.evaluator.evaluate(0, 0, max(components.mini_epochs))
    return record.seconds
