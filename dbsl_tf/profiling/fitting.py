"""From what was measured to a profile: which points are fitted together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from dbsl_tf.errors import UserError
from dbsl_tf.profiling.measurement import Measurement, MemorySample
from dbsl_tf.profiling.memory_fit import fit_memory
from dbsl_tf.profiling.profile_file import (
    Memory,
    MemoryPoint,
    Point,
    Profile,
    ResolutionTimes,
    WorkerTimes,
)
from dbsl_tf.profiling.time_fit import Method, fit_time_model
from dbsl_tf.versions import package_versions


@dataclass(frozen=True)
class WorkerPoints:
    """What is known of one worker: its name, if it has one, its times and its overhead."""

    host: str | None
    points: tuple[Point, ...]
    overhead: float = 0.0

    @property
    def sizes(self) -> set[int]:
        return {point.batch for point in self.points}


def profile_measurement(
    measurement: Measurement,
    settings: Mapping[str, Any],
    machine: Mapping[str, Any],
    resolution: int | None,
    method: Method = "robust",
    memory_budget: int | None = None,
) -> Profile:
    """Fits a measurement: a time model for each worker and for all, and a memory model.

    A difference of run lengths that is not above 0 was disturbed and is left out.

    Args:
        measurement: of one resolution.
        settings: what was trained, see `Profile`.
        machine: what it was trained on, see `Profile`.
        resolution: pixels a side of the images.
        method: "robust" or "ols".
        memory_budget: bytes a worker may use in all; None: `measurement.free_bytes`.

    Raises:
        UserError: fewer than two batch sizes have a usable time.
    """
    points = defaultdict(list)
    for step in measurement.steps:
        if step.seconds_per_batch > 0:
            points[step.worker].append(Point(step.batch, step.seconds_per_batch))
    overheads = defaultdict(list)
    for sample in measurement.overheads:
        overheads[sample.worker].append(sample.seconds)
    workers = {
        worker: WorkerPoints(
            host=None,
            points=tuple(sorted(mine, key=lambda point: point.batch)),
            overhead=max(0.0, median(overheads[worker] or [0.0])),
        )
        for worker, mine in sorted(points.items())
    }
    sizes = set().union(*(worker.sizes for worker in workers.values()))
    if len(sizes) < 2:
        raise UserError(
            f"only {len(sizes)} batch size(s) could be timed, and a line needs two; profile for "
            "longer, on an idle machine"
        )
    budget = memory_budget if memory_budget is not None else measurement.free_bytes
    return Profile(
        fits=(fit_resolution(resolution, workers, method),),
        method=method,
        memory=_memory(measurement.memory, budget),
        evaluation_seconds=measurement.evaluation_seconds,
        merge_seconds=measurement.merge_seconds,
        machine=dict(machine),
        settings=dict(settings),
        versions=package_versions("tensorflow", "keras-core", "keras-cv", "numpy", "scipy"),
    )


def fit_resolution(
    resolution: int | None, workers: Mapping[int, WorkerPoints], method: Method
) -> ResolutionTimes:
    """Fits one resolution: each worker, and the mean of the workers.

    The mean is over the workers that measured the size, each of which counts once: by its median
    (ols: mean) if it measured the size several times.

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
    own = ()
    if all(len(worker.sizes) >= 2 for worker in workers.values()):
        own = tuple(
            WorkerTimes(
                **_fit(worker.points, method),
                worker=index,
                host=worker.host,
                overhead=worker.overhead,
                points=worker.points,
            )
            for index, worker in workers.items()
        )
    return ResolutionTimes(
        **_fit(points, method),
        resolution=resolution,
        overhead=fmean(worker.overhead for worker in workers.values()),
        points=points,
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


def _fit(points: Sequence[Point], method: Method) -> dict[str, Any]:
    fit = fit_time_model(
        [point.batch for point in points], [point.seconds for point in points], method
    )
    return vars(fit)


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
