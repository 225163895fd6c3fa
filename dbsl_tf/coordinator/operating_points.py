"""Measures the batch sizes that workers are going to use, in the mix in which they run."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np

from dbsl_tf.config import Config
from dbsl_tf.coordinator.timed_runs import Report, Round, RunPair, TimedRuns, steps_of
from dbsl_tf.errors import UserError
from dbsl_tf.planning import TimeModel
from dbsl_tf.profiling.fitting import combined, profile_measurement
from dbsl_tf.profiling.measurement import Measurement
from dbsl_tf.profiling.operating_sizes import operating_mixes, operating_sizes
from dbsl_tf.profiling.profile_file import Point, Profile

# Of a short and a long run together: the machine's speed wanders within seconds, and what is
# compared with one another has to lie close together.
_PAIR_SECONDS = 0.8


def time_operating_points(
    config: Config, runs: TimedRuns, sweep: Sequence[Round], seconds: float, report: Report
) -> list[Round]:
    """Time the sizes of the plan that follows from a sweep, in turn in many short rounds.

    Args:
        config: asks for the plan.
        runs: of the cluster.
        sweep: what was measured before.
        seconds: to be used up.
        report: told in a line what is being done.

    Returns:
        The rounds; none where there is a single size only.

    Raises:
        ClusterError: the workers would not run at the same time.
        UserError: the sweep has fewer than two usable sizes.
    """
    steps = steps_of(sweep)
    swept = sorted({step.batch for step in steps})
    if len(swept) < 2:
        return []
    overheads = tuple(sample for done in sweep for sample in done.overheads)
    profile = profile_measurement(Measurement(steps, overheads=overheads), {}, {}, None)
    sizes = operating_sizes(config, _time_models(profile, runs.workers), swept)
    times = profile.fits[0]
    points = {worker.worker: worker.points for worker in times.workers}
    pairs = [
        RunPair.lasting(
            _PAIR_SECONDS,
            mix,
            [_seconds_at(points.get(i, times.points), size) for i, size in enumerate(mix)],
        )
        for mix in operating_mixes(runs.workers, config.dual_batch.small_workers, sizes)
    ]
    return runs.time_rounds(pairs, seconds, report, "batches of {} and {}".format(*sizes))


def _time_models(profile: Profile, workers: int) -> tuple[TimeModel, ...] | None:
    try:
        return profile.time_models(workers)
    except UserError:
        return None


def _seconds_at(points: Sequence[Point], size: int) -> float:
    """The median seconds of a batch, between the sizes that were measured."""
    typical = combined(points, median)
    return float(np.interp(size, [p.batch for p in typical], [p.seconds for p in typical]))
