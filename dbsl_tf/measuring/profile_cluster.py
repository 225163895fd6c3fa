"""Profiles the cluster of a run, and keeps the result for the next time."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dbsl_tf.cluster.connecting import ReadyCluster, check_size, ready_cluster
from dbsl_tf.cluster.task import CHIEF, task_from_environment
from dbsl_tf.common.cores import core_count
from dbsl_tf.common.errors import ClusterError, UserError
from dbsl_tf.common.kept_logs import logs_until_named
from dbsl_tf.common.processor import onednn_of_all, processor_name
from dbsl_tf.data.changed_images import naming_changed_images
from dbsl_tf.data.configured import training_data
from dbsl_tf.data.training_data import TrainingData
from dbsl_tf.measuring.measured_so_far import MeasuredSoFar
from dbsl_tf.measuring.profile_cache import cache_path, measurements_path
from dbsl_tf.measuring.time_budget import Bounds, TimeBudget, TimeUp
from dbsl_tf.profiling.kept_measurements import KeptMeasurements, load_measurements
from dbsl_tf.profiling.measurement import Measurement
from dbsl_tf.profiling.profile_file import Profile
from dbsl_tf.profiling.time_fit import Method
from dbsl_tf.resolved import RunSettings
from dbsl_tf.schedules import ResolutionSettings


@dataclass(frozen=True)
class Outcome:
    """What came of a measurement.

    Attributes:
        profile: what was fitted; None: too little was measured to fit anything.
        doubt: why no plan may rest on it, in words; None: one may.
        kept: where the measurements are kept, for the next one to go on from; None: they are all
            in the profile.
    """

    profile: Profile | None
    doubt: str | None
    kept: Path | None


def profile_cluster(
    settings: RunSettings,
    report: Callable[[str], None],
    method: Method = "robust",
    times_only: bool = False,
) -> Outcome:
    """Measures on the cluster of TF_CONFIG or, without it, on one started on this machine.

    It goes on from what earlier ones of the same settings have kept. When the time for it is over,
    what has been measured counts.

    Args:
        settings: what to measure; `profile` says how, and for how long.
        report: called with one line on each thing it does.
        method: the method of the fit.
        times_only: whether to leave out memory, merges and an evaluation.

    Raises:
        UserError: the cluster cannot be used.
        ClusterError: servers are lost. What was measured until then is kept.
    """
    task = task_from_environment(os.environ)
    if task is not None:
        check_size(settings.cluster, task)
        if task.role != CHIEF:
            raise UserError(
                f"TF_CONFIG makes this process {task.name}: run the profile command as the chief; "
                "workers and parameter servers run dbsl_tf.train"
            )
    data = training_data(settings.data, seed=settings.seed)
    path = measurements_path(profile_path(settings))
    before = load_measurements(path)
    budget = TimeBudget(profiling_seconds(settings))
    report(
        f"profiling {settings.model.name} on {settings.cluster.workers} workers, for at most "
        f"{budget.seconds:.0f} s once they have loaded it"
    )
    if before.by_resolution:
        report(f"going on from {before.seconds:.0f} s of measurements: {path}")
    found = MeasuredSoFar(before.by_resolution)
    try:
        with (
            naming_changed_images(data),
            logs_until_named(report) as (logs, report),
            ready_cluster(
                settings.cluster.of_all_workers, settings.compute.onednn, task, logs
            ) as cluster,
        ):
            _measure(settings, data, cluster, report, Bounds(budget, times_only), found)
    except ClusterError as error:
        if found.by_resolution:
            _kept(found, before, budget, str(error)).save(path)
        raise
    profile, doubt = _fitted(settings, found, cluster.threads_per_worker, method)
    if doubt is not None:
        _kept(found, before, budget, doubt).save(path)
        return Outcome(profile, doubt, path)
    path.unlink(missing_ok=True)
    return Outcome(profile, None, None)


def profiling_seconds(settings: RunSettings) -> float:
    """Returns the most seconds that measuring may take."""
    return settings.profile.seconds * len(settings.resolutions)


def _measure(
    settings: RunSettings,
    data: TrainingData,
    cluster: ReadyCluster,
    report: Callable[[str], None],
    bounds: Bounds,
    found: MeasuredSoFar,
) -> None:
    from dbsl_tf.engine.watched_run import run_watched
    from dbsl_tf.measuring.profiling_run import measure

    watch = cluster.watch(report)

    def check() -> None:
        watch()
        # A call that has begun may take much longer than it was expected to.
        bounds.budget.check()

    try:
        run_watched(partial(measure, settings, data, cluster, report, bounds, found), check)
    except TimeUp as over:
        report(f"{over}: what has been measured until now counts")


def _kept(
    found: MeasuredSoFar, before: KeptMeasurements, budget: TimeBudget, doubt: str
) -> KeptMeasurements:
    return KeptMeasurements(found.by_resolution, before.seconds + budget.spent, doubt)


def _fitted(
    settings: RunSettings, found: MeasuredSoFar, threads_per_worker: int, method: Method
) -> tuple[Profile | None, str | None]:
    """Returns the profile, if there can be one, and why no plan may rest on it."""
    # Imported here because it loads scipy, which takes a second.
    from dbsl_tf.profiling.fitting import profile_measurements
    from dbsl_tf.profiling.trust import doubt_about

    measurements: dict[int | None, Measurement] = dict(found.by_resolution.items())
    facts = {
        "model": settings.model.name,
        "stem": settings.model.stem,
        "precision": settings.compute.settled_precision,
        "xla": settings.compute.xla,
        "winograd": settings.compute.winograd_on_cpus,
        "onednn": onednn_of_all(found.processors),
        "resolutions": list(measurements),
        "data": settings.data.name,
        "epoch_samples": settings.samples,
        "augment": settings.data.model_dump(mode="json")["augment"],
    }
    machine = {
        "device": processor_name(),
        "cores": core_count(),
        "threads_per_worker": threads_per_worker,
        "workers": settings.cluster.workers,
        "processors": [worker.as_dict() for worker in found.processors],
    }
    budget = settings.profile.memory_budget
    if not measurements:
        return None, "there was no time to measure anything"
    try:
        profile = profile_measurements(measurements, facts, machine, method, budget)
    except UserError as error:
        return None, str(error)
    doubts = (
        doubt_about(profile, settings.cluster.workers, part.resolution)
        or _unmeasured(profile, settings, part)
        for part in settings.resolutions
    )
    return profile, next((doubt for doubt in doubts if doubt is not None), None)


def _unmeasured(profile: Profile, settings: RunSettings, part: ResolutionSettings) -> str | None:
    """Returns that the large batch is beyond what was measured, in words."""
    wanted = min(part.large_batch, settings.profile.max_batch or part.large_batch)
    largest = profile.resolution_times(part.resolution).fitted_range[1]
    if largest >= wanted:
        return None
    return f"there was no time for batches of more than {largest}, and {wanted} are to be used"


def profile_path(settings: RunSettings) -> Path:
    """Returns where the profile of a run is kept, for the cluster that this process would use."""
    threads = max(1, core_count() // settings.cluster.workers)
    task = task_from_environment(os.environ)
    servers = () if task is None else task.addresses.parameter_servers + task.addresses.workers
    return cache_path(settings, processor_name(), threads, servers)
