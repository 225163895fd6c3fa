"""Measures the workers' peak memory by batch size, up to near the most they may use."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import tensorflow as tf
from pydantic import ByteSize

from dbsl_tf.cluster.connecting import ReadyCluster
from dbsl_tf.engine.engine import Engine
from dbsl_tf.measuring.affordable_sizes import thinned
from dbsl_tf.measuring.memory_reading import MemoryReading, worker_memory
from dbsl_tf.measuring.timed_runs import Report, TimedRuns
from dbsl_tf.profiling.measurement import MemorySample
from dbsl_tf.profiling.memory_growth import next_batch

_WARM_UP_STEPS = 2
# The share of the free memory to use; other programs need some of it.
_SAFE_PART = 0.7


class MemoryMeasurement:
    """Trains a few steps with increasing batch sizes; a process's peak is that of the latest size.

    Args:
        engine: the engine of the cluster.
        runs: timed runs on the same cluster.
        cluster: the cluster, which says which hosts the workers share.

    Attributes:
        samples: the measurements so far; empty if workers cannot report their memory, or have a
            GPU, whose memory would be the limit.
    """

    def __init__(self, engine: Engine, runs: TimedRuns, cluster: ReadyCluster) -> None:
        self._engine = engine
        self._runs = runs
        self._hosts = [a.rpartition(":")[0] for a in cluster.task.addresses.workers]
        self._read_memory = self._engine.closure(worker_memory)
        self._on_gpu = bool(tf.config.list_logical_devices("GPU"))  # of all workers
        self._seconds_per_sample = 1e-3  # until it is known
        self.samples: list[MemorySample] = []

    def warm_up(self, sizes: Sequence[int], most_seconds: float = math.inf) -> dict[int, float]:
        """Trains with `sizes`, or with as many of them as there is time for.

        The first steps with a size may cost seconds, however small it is. So the first size shows
        how many others there is time for, which are spread over all.

        Args:
            sizes: in increasing order.
            most_seconds: how long it may take; two sizes are trained with in any case.

        Returns:
            Approximate seconds of a step, by size.
        """
        began = time.monotonic()
        self._load([sizes[0]] * 2)
        seconds = {sizes[0]: self._train(sizes[0])}
        each = time.monotonic() - began
        others = thinned(sizes[1:], max(1, int(min(len(sizes), most_seconds / each - 1))))
        if others:
            self._load([size for size in others for _ in range(2)])
        for size in others:
            # A step takes longer by the number of samples at most.
            expected = 2 * _WARM_UP_STEPS * size * self._seconds_per_sample
            if len(seconds) > 1 and time.monotonic() - began + expected > most_seconds:
                break
            seconds[size] = self._train(size)
        return seconds

    def extend(self, budget: int | None, most_seconds: float, report: Report) -> None:
        """Continues with larger sizes for some seconds, to check the prediction near the limit.

        It stops below the budget and below a safe share of the free memory.

        Args:
            budget: bytes that a worker may use in total; None: all that is free.
            most_seconds: how long it may take.
            report: called with one line on each thing it does.
        """
        free = self.free_bytes()
        peaks = self._peaks()
        if self._on_gpu:
            report("GPU memory is not measured")
        if free is None or len(peaks) < 2:
            return
        limit = ByteSize(min(budget or free, _SAFE_PART * free))
        began = time.monotonic()
        while (size := next_batch(peaks, limit)) is not None:
            expected = 2 * _WARM_UP_STEPS * size * self._seconds_per_sample
            if time.monotonic() - began + expected > most_seconds:
                report(f"memory of batches from {size} up is predicted: no time to measure it")
                return
            report(f"memory of batches of {size}, at most {limit.to('MiB'):,.0f} MiB a worker")
            self._load([size])
            self._train(size)
            peaks = self._peaks()

    def free_bytes(self) -> int | None:
        """Returns the bytes that the worker with the least may use: its share of its host's memory.

        None if that is not known.
        """
        readings = {int(reading.worker): reading for reading in self._readings()}
        shares = []
        for host in set(self._hosts):
            here = [
                readings[worker]
                for worker, other in enumerate(self._hosts)
                if other == host and worker in readings
            ]
            if here and all(int(reading.available_bytes) for reading in here):
                used = sum(int(reading.resident_bytes) for reading in here)
                available = min(int(reading.available_bytes) for reading in here)
                shares.append((available + used) // len(here))
        return min(shares, default=None)

    def _load(self, sizes: Sequence[int]) -> None:
        batches = [size for size in sizes for _ in range(_WARM_UP_STEPS)]
        self._runs.load([batches] * self._runs.workers)

    def _train(self, size: int) -> float:
        """Trains twice and records the memory; returns the seconds of a step."""
        steps = [_WARM_UP_STEPS] * self._runs.workers
        self._runs.run_somewhere(steps)
        results = self._runs.run_somewhere(steps)
        self.samples += [
            MemorySample(int(reading.worker), size, int(reading.peak_bytes))
            for reading in self._readings()
            if int(reading.peak_bytes) > 0
        ]
        slowest = max(float(result.loop_seconds) for result in results)
        self._seconds_per_sample = slowest / _WARM_UP_STEPS / size
        return slowest / _WARM_UP_STEPS

    def _peaks(self) -> dict[int, int]:
        peaks: dict[int, int] = {}
        for sample in self.samples:
            peaks[sample.batch] = max(sample.peak_bytes, peaks.get(sample.batch, 0))
        return peaks

    def _readings(self) -> list[MemoryReading]:
        if self._on_gpu:
            return []
        calls = [()] * self._runs.workers
        return self._engine.call_each(self._read_memory, calls, self._engine.limits.patience_with)
