"""Measures training steps, mini-epochs, memory, merges and an evaluation on a cluster."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median

import numpy as np

from dbsl_tf.cluster.connecting import ReadyCluster
from dbsl_tf.common.errors import UserError
from dbsl_tf.coordinator.components import Components, build_components
from dbsl_tf.data.training_data import TrainingData
from dbsl_tf.measuring.affordable_sizes import affordable_sizes
from dbsl_tf.measuring.measured_so_far import MeasuredSoFar
from dbsl_tf.measuring.memory_measurement import MemoryMeasurement
from dbsl_tf.measuring.operating_points import measurement_of, time_operating_points
from dbsl_tf.measuring.processor_reading import read_processors
from dbsl_tf.measuring.time_budget import Bounds, TimeBudget
from dbsl_tf.measuring.timed_runs import Report, Round, RunPair, TimedRuns
from dbsl_tf.profiling.measurement import Measurement, StepSample
from dbsl_tf.resolved import RunSettings
from dbsl_tf.schedules.progressive import ResolutionSettings

_SMALLEST_BATCH = 4
_SIZES = 8
# Shares of the time of a resolution: for the first steps of each size and for memory, and of what
# is left then for the scan over all sizes. The rest is for the two sizes between which the model is
# used, whose times decide whether the workers finish together.
_WARM_UP_PART = 0.2
_MEMORY_PART = 0.15
_SCAN_PART = 0.35
_SCAN_ROUNDS = 4
# An earlier scan of so many sizes is enough.
_SCANNED = 4
_MERGES = 5
# Share of the whole time that merges and an evaluation have.
_COSTS_PART = 0.1


def scan_sizes(largest: int) -> list[int]:
    """Returns batch sizes from 4 to `largest`, about evenly spaced on a logarithmic scale."""
    smallest = min(_SMALLEST_BATCH, largest)
    sizes = np.geomspace(smallest, largest, _SIZES)
    return sorted({int(round(size)) for size in sizes})


def measure(
    settings: RunSettings,
    data: TrainingData,
    cluster: ReadyCluster,
    report: Report,
    bounds: Bounds,
    found: MeasuredSoFar,
) -> None:
    """Times training steps of several batch sizes, mini-epochs, merges and an evaluation.

    Every figure comes from the closure that training runs: pull, steps, push. All workers run it
    at the same time, because in training, too, they share cores, memory bandwidth and network.
    For each batch size a short and a long run alternate; the difference of their times divided by
    the difference of their steps is the time of a step, free of one-off costs. The time of a run
    beyond its steps is the overhead of a mini-epoch. A scan over all sizes comes first, and a plan
    is made from it; then B_S and B_L of this plan are timed as they will be used. Nothing is merged
    until everything is measured.

    Where there is no time for all of this, it is done for fewer sizes, or not at all. A call that
    has begun is finished, however long it takes: whoever cannot wait reads `found`.

    Args:
        settings: model, data, optimiser and cluster; `profile.max_batch` ends the scan.
        data: to train and to test on; files are at the same paths on every worker.
        cluster: whose servers answer.
        report: called with a line on what is being done.
        bounds: how long it may take.
        found: takes what is measured, as soon as it is.

    Raises:
        ClusterError: the workers would not run at the same time.
    """
    # Timed runs take the batches that come next.
    components = build_components(settings.with_sharing("shared"), data, cluster)
    found.processors = read_processors(components.engine)
    budget = bounds.budget

    def told(line: str) -> None:
        report(f"{line}; {budget.left:.0f} s left")

    # The highest first: memory is measured as a process's peak.
    parts = list(reversed(settings.resolutions))
    measuring = [_OneResolution(settings, components, cluster, part, found) for part in parts]
    measuring[0].load()
    budget.begin()
    for number, one in enumerate(measuring):
        share = 1.0 if bounds.times_only else 1.0 - _COSTS_PART
        part = budget.part(share / (len(parts) - number))
        one.measure(part, told, with_memory=number == 0 and not bounds.times_only)
    if not bounds.times_only:
        told("timing merges and an evaluation")
        _measure_costs(components, measuring[0], budget, found)


class _OneResolution:
    """Measures one resolution, up to what earlier measurements have left open."""

    def __init__(
        self,
        settings: RunSettings,
        components: Components,
        cluster: ReadyCluster,
        part: ResolutionSettings,
        found: MeasuredSoFar,
    ) -> None:
        self._settings = settings
        self._found = found
        self.resolution = part.resolution
        self._runs = TimedRuns(
            components,
            part.resolution,
            settings.optimizer.base_lr * 1e-3,
            lambda steps, overheads: found.add(part.resolution, steps, overheads),
        )
        self.memory = MemoryMeasurement(components.engine, self._runs, cluster)
        # Not beyond B_L: t(B) is not quite linear, and the line has to fit where it is used.
        self._sizes = scan_sizes(settings.profile.max_batch or part.large_batch)

    def load(self) -> None:
        """Has every worker take a first step, which costs the same before a training."""
        self._runs.load([self._sizes[:1]] * self._runs.workers)
        self._runs.run_somewhere([1] * self._runs.workers)

    def measure(self, budget: TimeBudget, report: Report, with_memory: bool) -> None:
        """Measures steps, and memory where wanted, up to the budget for it."""
        before = self._found.before(self.resolution)
        scanned = {step.batch for step in before.steps}
        missing = [size for size in self._sizes if size not in scanned]
        scans = len(scanned) < _SCANNED or self._sizes[-1] in missing
        sizes = (missing if scans else []) or self._sizes[:1]
        report(f"resolution {self.resolution}: warming up batches of {sizes[0]} to {sizes[-1]}")
        estimates = self.memory.warm_up(sizes, _WARM_UP_PART * budget.seconds)
        self._found.add(
            self.resolution,
            warm_up=[StepSample(0, size, seconds) for size, seconds in estimates.items()],
        )
        if with_memory:
            # Before the timed runs, which may leave memory allocated.
            most = budget.part(_MEMORY_PART).seconds
            self.memory.extend(self._settings.profile.memory_budget, most, report)
        scan = [Round(before.steps, before.overheads)]
        if scans:
            least = 1 if scanned else 2
            scan += self._scan(estimates, least, budget.part(_SCAN_PART), report)
        earlier = [Round(samples, ()) for samples in before.operating]
        try:
            scan, operating = time_operating_points(
                self._settings, self._runs, scan, earlier, budget, report
            )
        except UserError:
            # Too few of the times can be used: that is told when the profile is made.
            operating = earlier
        self._found.finish(self.resolution, measurement_of(scan, operating))

    def _scan(
        self, estimates: dict[int, float], least: int, budget: TimeBudget, report: Report
    ) -> list[Round]:
        """Returns rounds over the sizes that there is time for, by all workers at once."""
        workers = self._runs.workers
        pair_seconds = budget.seconds / _SCAN_ROUNDS / len(estimates)
        pairs = {
            size: RunPair.lasting(pair_seconds, [size] * workers, [seconds] * workers)
            for size, seconds in estimates.items()
        }
        costs = {
            size: pair.double_round_seconds([estimates[size]] * workers)
            for size, pair in pairs.items()
        }
        sizes = affordable_sizes(costs, budget.left, least)
        if not sizes:
            return []
        what = f"batches of {_listed(sizes)}"
        return self._runs.time_rounds([pairs[size] for size in sizes], budget, report, what)


def _listed(sizes: Sequence[int]) -> str:
    return ", ".join(map(str, sizes))


def _measure_costs(
    components: Components, highest: _OneResolution, budget: TimeBudget, found: MeasuredSoFar
) -> None:
    """Reads the memory, and times merges and an evaluation if there is time for them."""
    memory = Measurement(
        (), memory=tuple(highest.memory.samples), free_bytes=highest.memory.free_bytes()
    )
    found.add_costs(highest.resolution, memory)
    if budget.left > 0:
        merges = Measurement((), merge_seconds=_time_merges(components))
        found.add_costs(highest.resolution, merges)
        evaluation = Measurement((), evaluation_seconds=_time_evaluation(components, budget))
        found.add_costs(highest.resolution, evaluation)


def _time_merges(components: Components) -> float:
    """Returns the seconds of a merge as seen by the coordinator."""
    seconds = []
    slot = components.shared_model.new_slot()
    for _ in range(_MERGES):
        began = time.monotonic()
        components.shared_model.merge(slot, 0, 1.0)
        seconds.append(time.monotonic() - began)
    return median(seconds)


def _time_evaluation(components: Components, budget: TimeBudget) -> float | None:
    """Returns the seconds of the second evaluation by all workers; the first includes tracing.

    None if there is no time for a second one.
    """

    def evaluation() -> float:
        components.evaluator.snapshot()
        return components.evaluator.evaluate(0, 0, max(components.mini_epochs)).seconds

    first = evaluation()
    return evaluation() if first <= budget.left else None
