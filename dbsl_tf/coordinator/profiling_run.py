"""Measures the real mini-epoch closure on every worker of a cluster at once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import tensorflow as tf

from dbsl_tf.cluster.connecting import ReadyCluster
from dbsl_tf.config import Config
from dbsl_tf.coordinator.components import Components, build_components
from dbsl_tf.coordinator.memory_reading import worker_memory
from dbsl_tf.coordinator.stage import same_orders
from dbsl_tf.data.prepare import PreparedData
from dbsl_tf.profiling.measurement import (
    Measurement,
    MemorySample,
    OverheadSample,
    StepSample,
)

Report = Callable[[str], None]

# The long run of a pair has this many times the steps of the short one.
_LONG = 3
_SMALLEST_BATCH = 4
_SIZES = 8
_MERGES = 5
_TRIES = 3


def sweep_sizes(largest: int) -> list[int]:
    """Batch sizes from 4 (or `largest`) to `largest`, evenly spaced on a logarithmic scale."""
    smallest = min(_SMALLEST_BATCH, largest)
    sizes = np.geomspace(smallest, largest, _SIZES)
    return sorted({int(round(size)) for size in sizes})


def measure(
    config: Config, data: PreparedData, cluster: ReadyCluster, report: Report
) -> Measurement:
    """Time training steps of several batch sizes, mini-epochs, merges and an evaluation.

    Every figure comes from the closure that training runs: pull, steps, push. All workers run it
    at the same time, because in training too they share cores, memory bandwidth and network.
    For each batch size a short and a long run alternate; the difference of their times over the
    difference of their steps is the time of a step, free of whatever a run pays once. What a run
    took beyond its steps is the overhead of a mini-epoch. Nothing is merged until all is measured.

    Args:
        config: model, data, optimiser and cluster; `profile.max_batch` ends the sweep and
            `profile.seconds` is about how long the timed runs take together.
        data: the files, at the same paths on every worker.
        cluster: whose servers answer.
        report: told in a line what is being done.

    Raises:
        RuntimeError: the workers would not run at the same time.
    """
    components = build_components(config, data, cluster)
    seconds = config.profile.seconds
    # Not beyond B_L: t(B) bends a little, and the line has to fit where it is used.
    sizes = sweep_sizes(config.profile.max_batch or config.dual_batch.large_batch)
    sweep = _Sweep(components, config.optimizer.base_lr * 1e-3)
    report(f"warming up batches of {', '.join(map(str, sizes))}")
    estimates, memory = _warm_up(sweep, sizes)
    pairs = _plan_pairs(sizes, estimates, seconds)
    step_samples, overheads = _time_steps(sweep, pairs, seconds, report)
    report("timing merges and an evaluation")
    return Measurement(
        steps=tuple(step_samples),
        overheads=tuple(overheads),
        memory=tuple(memory),
        free_bytes=_free_bytes(sweep, cluster),
        merge_seconds=_time_merges(components),
        evaluation_seconds=_time_evaluation(components),
    )


@dataclass(frozen=True)
class _Pair:
    """A short and a long run of one batch size."""

    batch: int
    short_steps: int

    @property
    def long_steps(self) -> int:
        return _LONG * self.short_steps

    def batch_sizes(self) -> list[int]:
        return [self.batch] * (self.short_steps + self.long_steps)


class _Sweep:
    """Runs the mini-epoch closure on all workers at once, with batches in a fixed order."""

    def __init__(self, components: Components, learning_rate: float) -> None:
        self._components = components
        self._workers = components.engine.workers
        self._learning_rate = learning_rate
        self._slots = [components.shared_model.new_slot() for _ in range(self._workers)]
        self._batches: Any = None
        self.memory = components.engine.closure(worker_memory)

    def load(self, batch_sizes: Sequence[int]) -> None:
        """Start the input pipelines of batches of these sizes, over and over."""
        self._batches = self._components.make_batches(
            lambda worker: tf.constant(batch_sizes, tf.int64)
        )

    def run(self, steps: int) -> list[dict[str, Any]] | None:
        """The results of `steps` steps on every worker; None unless each took one run."""
        results = self._components.engine.call_each(
            self._components.mini_epoch,
            [
                (
                    self._batches,
                    slot.variables(),
                    same_orders(self._workers, steps, self._learning_rate),
                )
                for slot in self._slots
            ],
        )
        return results if self.covers_all_workers(results) else None

    def read_memory(self) -> list[dict[str, Any]]:
        """Peak bytes of the workers so far."""
        return self._components.engine.call_each(self.memory, [()] * self._workers)

    def covers_all_workers(self, results: list[dict[str, Any]]) -> bool:
        return len({int(result["worker"]) for result in results}) == self._workers


def _warm_up(sweep: _Sweep, sizes: Sequence[int]) -> tuple[dict[int, float], list[MemorySample]]:
    """Rough seconds of a step by batch size, and the peak memory after each size.

    Sizes rise, so the peak of the process is that of the latest.
    """
    sweep.load([batch for batch in sizes for _ in range(4)])
    estimates, memory = {}, []
    for batch in sizes:
        sweep.run(2)
        results = sweep.run(2) or []
        estimates[batch] = max(
            (float(result["loop_seconds"]) / 2 for result in results), default=0.01
        )
        memory += [
            MemorySample(int(reading["worker"]), batch, int(reading["peak_bytes"]))
            for reading in sweep.read_memory()
            if int(reading["peak_bytes"]) > 0
        ]
    return estimates, memory


def _plan_pairs(sizes: Sequence[int], estimates: dict[int, float], seconds: float) -> list[_Pair]:
    """Runs of equal duration for every size, so short that several rounds fit in `seconds`."""
    rounds = 6
    pair_seconds = seconds / rounds / len(sizes)
    return [
        _Pair(batch, max(1, math.ceil(pair_seconds / (1 + _LONG) / estimates[batch])))
        for batch in sizes
    ]


def _time_steps(
    sweep: _Sweep, pairs: Sequence[_Pair], seconds: float, report: Report
) -> tuple[list[StepSample], list[OverheadSample]]:
    """Rounds over all batch sizes until `seconds` are used up, at least two."""
    steps: list[StepSample] = []
    overheads: list[OverheadSample] = []
    began, rounds, failures = time.monotonic(), 0, 0
    in_order = [size for pair in pairs for size in pair.batch_sizes()]
    sweep.load(in_order)
    while rounds < 2 or (time.monotonic() - began) * (rounds + 1) / rounds < seconds:
        report(f"round {rounds + 1}: {time.monotonic() - began:.0f} of about {seconds:.0f} s")
        round_steps, round_overheads = _run_round(sweep, pairs)
        if len(round_steps) < len(pairs):
            failures += 1
            if failures == _TRIES:
                raise RuntimeError("the workers do not run at the same time: is one hung or dead?")
            # The input pipelines are no longer at the beginning of the round.
            sweep.load(in_order)
            continue
        rounds += 1
        steps += [sample for pair in round_steps for sample in pair]
        overheads += [sample for pair in round_overheads for sample in pair]
    return steps, overheads


def _run_round(
    sweep: _Sweep, pairs: Sequence[_Pair]
) -> tuple[list[list[StepSample]], list[list[OverheadSample]]]:
    """The samples of each pair, up to the first that did not run on every worker."""
    steps, overheads = [], []
    for pair in pairs:
        short, long = sweep.run(pair.short_steps), sweep.run(pair.long_steps)
        if short is None or long is None:
            break
        long_of = {int(result["worker"]): result for result in long}
        pair_steps, pair_overheads = [], []
        for result in short:
            worker = int(result["worker"])
            difference = float(long_of[worker]["loop_seconds"]) - float(result["loop_seconds"])
            step_seconds = difference / (pair.long_steps - pair.short_steps)
            beyond = float(result["seconds"]) - pair.short_steps * step_seconds
            pair_steps.append(StepSample(worker, pair.batch, step_seconds))
            pair_overheads.append(OverheadSample(worker, beyond))
        steps.append(pair_steps)
        overheads.append(pair_overheads)
    return steps, overheads


def _free_bytes(sweep: _Sweep, cluster: ReadyCluster) -> int | None:
    """What the worker with the least may use in all: its part of its host's free memory."""
    hosts = [address.rpartition(":")[0] for address in cluster.task.addresses.workers]
    readings = {int(reading["worker"]): reading for reading in sweep.read_memory()}
    shares = []
    for host in set(hosts):
        here = [readings[i] for i, other in enumerate(hosts) if other == host and i in readings]
        if here and all(int(reading["available_bytes"]) for reading in here):
            used = sum(int(reading["peak_bytes"]) for reading in here)
            available = min(int(reading["available_bytes"]) for reading in here)
            shares.append((available + used) // len(here))
    return min(shares, default=None)


def _time_merges(components: Components) -> float:
    """Seconds of a merge as the coordinator sees it."""
    seconds = []
    slot = components.shared_model.new_slot()
    for _ in range(_MERGES):
        began = time.monotonic()
        components.shared_model.merge(slot, 0, 1.0)
        seconds.append(time.monotonic() - began)
    return median(seconds)


def _time_evaluation(components: Components) -> float:
    """Seconds of an evaluation by all workers, the second one: the first is traced."""
    for _ in range(2):
        components.evaluator.snapshot()
        record = components.evaluator.evaluate(0, 0)
    return record.seconds
