"""Times the batch sizes that the workers will use, in the mix in which they will run."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np

from dbsl_tf.common.errors import UserError
from dbsl_tf.measuring.operating_sizes import operating_mixes, operating_sizes
from dbsl_tf.measuring.time_budget import TimeBudget
from dbsl_tf.measuring.timed_runs import Report, Round, RunPair, TimedRuns, steps_of
from dbsl_tf.planning import TimeModel
from dbsl_tf.profiling.fitting import combined, profile_measurements
from dbsl_tf.profiling.measurement import Measurement
from dbsl_tf.profiling.profile_file import Point, Profile
from dbsl_tf.resolved import RunSettings

# For a short and a long run together: a machine's speed varies within seconds, so runs that are
# compared have to be close together.
_PAIR_SECONDS = 0.8
_FIRST_PART = 0.35  # share of the time after which the plan is remade
_MOST_FASTER = 10  # how many times as fast as another worker one may be, per sample
_MOVED = 0.15  # share by which B_S may differ from the one that was timed


def time_operating_points(
    settings: RunSettings,
    runs: TimedRuns,
    scan: Sequence[Round],
    before: Sequence[Round],
    budget: TimeBudget,
    report: Report,
) -> tuple[list[Round], list[Round]]:
    """Times the batch sizes of the plan that follows from a scan, alternating in short rounds.

    A scan alone gives B_S only roughly, as it depends on b. So the plan is remade after part of
    the time, and if B_S has changed, the rest of the time is spent on the new one.

    Args:
        settings: the settings of the plan.
        runs: timed runs on the cluster, at one resolution.
        scan: the earlier measurements.
        before: rounds of such sizes from an earlier measurement.
        budget: the time to spend, which has begun.
        report: called with one line on each thing it does.

    Returns:
        The scan, and the rounds with the final sizes; rounds with other sizes are added to the
        scan. There are no rounds if there is only one size, or no time for two of them.

    Raises:
        ClusterError: the workers would not run at the same time.
        UserError: the scan has fewer than two usable sizes.
    """
    scanned = sorted({step.batch for step in steps_of(scan)})
    if len(scanned) < 2:
        return [*scan, *before], []

    def next_sizes(operating: Sequence[Round]) -> tuple[Profile, tuple[int, int]]:
        profile = profile_measurements({None: measurement_of(scan, operating)}, {}, {})
        models = _time_models(profile, runs.workers)
        return profile, operating_sizes(settings, models, scanned, runs.resolution)

    def time_sizes(profile: Profile, sizes: tuple[int, int], share: float) -> list[Round]:
        mixes = operating_mixes(runs.workers, settings.dual_batch.small_workers, sizes)
        seconds = [_step_seconds(profile, mix) for mix in mixes]
        pairs = [RunPair.lasting(_PAIR_SECONDS, *both) for both in zip(mixes, seconds)]
        part = budget.part(share)
        if sum(map(RunPair.double_round_seconds, pairs, seconds)) > part.left:
            return []
        return runs.time_rounds(pairs, part, report, "batches of {} and {}".format(*sizes))

    first = list(before)
    if not first:
        profile, sizes = next_sizes([])
        first = time_sizes(profile, sizes, _FIRST_PART)
    else:
        sizes = _sizes_of(first)
    profile, (small, large) = next_sizes(first)
    if large == sizes[1] and abs(small / sizes[0] - 1) <= _MOVED:
        return list(scan), first + time_sizes(profile, sizes, 1.0)
    second = time_sizes(profile, (small, large), 1.0)
    # The rounds that there are count as such.
    return ([*scan, *first], second) if second else (list(scan), first)


def measurement_of(scan: Sequence[Round], operating: Sequence[Round]) -> Measurement:
    """Returns the measurements of the rounds of one resolution."""
    return Measurement(
        steps=steps_of(scan),
        operating=tuple(done.steps for done in operating),
        overheads=tuple(sample for done in (*scan, *operating) for sample in done.overheads),
    )


def _sizes_of(rounds: Sequence[Round]) -> tuple[int, int]:
    batches = [step.batch for step in steps_of(rounds)]
    return min(batches), max(batches)


def _step_seconds(profile: Profile, mix: Sequence[int]) -> list[float]:
    """Returns how long a step of each worker takes in a mix, by the times so far."""
    times = profile.fits[0]
    points = {worker.worker: worker.points for worker in times.workers}
    measured = [_seconds_at(points.get(i, times.points), size) for i, size in enumerate(mix)]
    return plausible_seconds(mix, measured)


def plausible_seconds(sizes: Sequence[int], measured: Sequence[float]) -> list[float]:
    """Returns seconds of a step for each worker, none much below what the slowest one suggests.

    If many workers share cores, the difference of two runs may be close to 0, and a run with as
    many steps as that suggests would take minutes.

    Args:
        sizes: samples in a batch of each worker.
        measured: measured seconds of a step of each worker.
    """
    slowest = max(measured)
    return [
        max(seconds, slowest * size / max(sizes) / _MOST_FASTER)
        for size, seconds in zip(sizes, measured)
    ]


def _time_models(profile: Profile, workers: int) -> tuple[TimeModel, ...] | None:
    try:
        return profile.time_models(workers)
    except UserError:
        return None


def _seconds_at(points: Sequence[Point], size: int) -> float:
    """Returns the median seconds of a batch, interpolated between measured sizes."""
    typical = combined(points, median)
    return float(np.interp(size, [p.batch for p in typical], [p.seconds for p in typical]))
