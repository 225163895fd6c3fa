"""From what was measured to a profile: which points are fitted together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.versions import package_versions
from dbsl_tf.profiling.measurement import Measurement, MemorySample, StepSample
from dbsl_tf.profiling.memory_fit import fit_memory
from dbsl_tf.profiling.profile_file import (
    Memory,
    MemoryPoint,
    Point,
    Profile,
    ResolutionTimes,
    WorkerTimes,
)
from dbsl_tf.profiling.steadying import at_speed_of, steadied
from dbsl_tf.profiling.time_fit import Method, fit_time_model


@dataclass(frozen=True)
class WorkerPoints:
    """What is known of one worker.

    Attributes:
        host: its name, if it has one.
        points: times over a scan of batch sizes.
        overhead: seconds a mini-epoch takes beyond its steps.
        operating: times of the sizes that it is going to use, two at least; the points of a size
            are in the same order for all workers. Empty: the scan is all there is.
    """

    host: str | None
    points: tuple[Point, ...]
    overhead: float = 0.0
    operating: tuple[Point, ...] = ()

    @property
    def sizes(self) -> set[int]:
        return {point.batch for point in self.points}


def profile_measurements(
    measurements: Mapping[int | None, Measurement],
    settings: Mapping[str, Any],
    machine: Mapping[str, Any],
    method: Method = "robust",
    memory_budget: int | None = None,
) -> Profile:
    """Fits measurements: time models for each worker and for all, and a memory model.

    t(B) bends, by some percent over the scan. Where the sizes that workers are going to use were
    measured too, the line is fitted to these alone, so it goes through what was measured where it
    is used; the scan, brought to the same speed of the machine, then shows over which range it
    holds. A difference of run lengths that is not above 0 was disturbed and is left out.

    Args:
        measurements: by resolution in pixels, None where it is not known; one at least. What
            there is once, such as memory, is taken from the last.
        settings: what was trained, see `Profile`.
        machine: what it was trained on, see `Profile`.
        method: "robust" or "ols".
        memory_budget: bytes a worker may use in all; None: `Measurement.free_bytes`.

    Raises:
        UserError: fewer than two batch sizes have a usable time.
    """
    fits = []
    for resolution, measurement in measurements.items():
        workers = worker_points(measurement)
        sizes = set().union(*(worker.sizes for worker in workers.values()))
        if len(sizes) < 2:
            raise UserError(
                f"only {len(sizes)} batch size(s) could be timed, and a line needs two; profile "
                "for longer, on an idle machine"
            )
        fits.append(fit_resolution(resolution, workers, method))
    budget = memory_budget if memory_budget is not None else measurement.free_bytes
    return Profile(
        fits=tuple(fits),
        method=method,
        memory=_memory(measurement.memory, budget),
        evaluation_seconds=measurement.evaluation_seconds,
        merge_seconds=measurement.merge_seconds,
        machine=dict(machine),
        settings=dict(settings),
        versions=package_versions("tensorflow", "keras-core", "keras-cv", "numpy", "scipy"),
    )


def worker_points(measurement: Measurement) -> dict[int, WorkerPoints]:
    """Returns what a measurement tells of each worker, by its index."""
    in_use = steadied(measurement.operating)
    scan = [step for step in measurement.steps if step.seconds_per_batch > 0]
    points, operating = _points(at_speed_of(in_use, scan)), _points(in_use)
    overheads = defaultdict(list)
    for sample in measurement.overheads:
        overheads[sample.worker].append(sample.seconds)
    return {
        worker: WorkerPoints(
            host=None,
            points=mine,
            overhead=max(0.0, median(overheads[worker] or [0.0])),
            operating=operating.get(worker, ()),
        )
        for worker, mine in sorted(points.items())
    }


def _points(steps: Iterable[StepSample]) -> dict[int, tuple[Point, ...]]:
    """Returns the points of each worker by size, else in the order given."""
    points = defaultdict(list)
    for step in steps:
        points[step.worker].append(Point(step.batch, step.seconds_per_batch))
    return {
        worker: tuple(sorted(mine, key=lambda point: point.batch))
        for worker, mine in points.items()
    }


def fit_resolution(
    resolution: int | None, workers: Mapping[int, WorkerPoints], method: Method
) -> ResolutionTimes:
    """Fits one resolution: each worker, and the mean of the workers.

    The mean is over the workers that measured the size, each of which counts once: by its median
    (ols: mean) if it measured the size several times. Of the sizes that workers are going to use
    it is that of their first points, of their second points and so on.

    Args:
        resolution: pixels a side.
        workers: by index; two batch sizes at least in all. Workers with less than two sizes of
            their own leave all workers without their own fits.
        method: "robust" or "ols".
    """
    typical = median if method == "robust" else fmean
    by_size = defaultdict(list)
    for worker in workers.values():
        for point in combined(worker.points, typical):
            by_size[point.batch].append(point.seconds)
    points = tuple(Point(size, fmean(seconds)) for size, seconds in sorted(by_size.items()))
    operating = _mean_operating(list(workers.values()))
    own: tuple[WorkerTimes, ...] = ()
    if all(len(worker.sizes) >= 2 for worker in workers.values()):
        own = tuple(
            WorkerTimes(
                **_fit(worker.points, worker.operating, method),
                worker=index,
                host=worker.host,
                overhead=worker.overhead,
                points=worker.points + worker.operating,
            )
            for index, worker in workers.items()
        )
    return ResolutionTimes(
        **_fit(points, operating, method),
        resolution=resolution,
        overhead=fmean(worker.overhead for worker in workers.values()),
        points=points + operating,
        workers=own,
    )


def combined(
    points: Iterable[Point], typical: Callable[[Sequence[float]], float]
) -> tuple[Point, ...]:
    """Returns one point a batch size, in order of the sizes."""
    by_size = defaultdict(list)
    for point in points:
        by_size[point.batch].append(point.seconds)
    return tuple(Point(size, typical(seconds)) for size, seconds in sorted(by_size.items()))


def _mean_operating(workers: Sequence[WorkerPoints]) -> tuple[Point, ...]:
    """Returns the means of the workers, size by size and point by point."""
    sizes = sorted({point.batch for worker in workers for point in worker.operating})
    times = {
        size: [[p.seconds for p in worker.operating if p.batch == size] for worker in workers]
        for size in sizes
    }
    return tuple(Point(size, fmean(same)) for size in sizes for same in zip(*times[size]))


def _fit(points: Sequence[Point], operating: Sequence[Point], method: Method) -> dict[str, Any]:
    """Fits the sizes in use; all points where these give no line that a plan can be made from.

    Noise can turn a line through two sizes that are close together by much.
    """
    everything = [*points, *operating]
    batches = [point.batch for point in everything]
    seconds = [point.seconds for point in everything]
    if operating:
        in_use = [False] * len(points) + [True] * len(operating)
        fit = fit_time_model(batches, seconds, method, in_use)
        if fit.a > 0 and fit.b > 0:
            return vars(fit)
    return vars(fit_time_model(batches, seconds, method))


def _memory(samples: Sequence[MemorySample], budget: int | None) -> Memory | None:
    peaks: dict[int, int] = {}
    for sample in samples:
        peaks[sample.batch] = max(sample.peak_bytes, peaks.get(sample.batch, 0))
    if len(peaks) < 2:
        return None
    fit = fit_memory(list(peaks), list(peaks.values()))
    return Memory(
        bytes_per_sample=fit.bytes_per_sample,
        fixed_bytes=fit.fixed_bytes,
        floor_bytes=fit.floor_bytes,
        r2=fit.r2,
        budget=budget,
        largest_batch=None if budget is None else fit.largest_batch(budget),
        points=tuple(MemoryPoint(batch, peak) for batch, peak in sorted(peaks.items())),
    )
