"""Profiles the cluster of a run, and keeps the result for the next time."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from dbsl_tf.cluster.connecting import check_size, ready_cluster
from dbsl_tf.cluster.crowding import CROWDING_IS_KNOWN
from dbsl_tf.cluster.task import CHIEF, task_from_environment
from dbsl_tf.common.cores import core_count
from dbsl_tf.common.errors import ClusterError, UserError
from dbsl_tf.common.kept_logs import logs_until_named
from dbsl_tf.common.processor import onednn_of_all, processor_name
from dbsl_tf.common.program import python_module
from dbsl_tf.data.changed_images import naming_changed_images
from dbsl_tf.data.configured import training_data
from dbsl_tf.measuring.profile_cache import cache_path
from dbsl_tf.planning import TimeModel
from dbsl_tf.profiling.measurement import Measurement
from dbsl_tf.profiling.profile_file import Profile, load_profile
from dbsl_tf.profiling.time_fit import Method
from dbsl_tf.resolved import RunSettings

# A plan made from a finished profile has slightly different batches from those that were timed.
_NEAR = 0.75


def profile_cluster(
    settings: RunSettings, report: Callable[[str], None], method: Method = "robust"
) -> Profile:
    """Measures on the cluster of TF_CONFIG or, without it, on one started on this machine.

    Args:
        settings: what to measure; `profile` says how.
        report: called with one line on each thing it does.
        method: the method of the fit.

    Raises:
        UserError: the cluster cannot be used, or the measurements cannot be fitted.
        ClusterError: servers are lost.
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
    report(f"profiling {settings.model.name} on {settings.cluster.workers} workers")
    with (
        naming_changed_images(data),
        logs_until_named(report) as (logs, report),
        ready_cluster(settings.cluster, settings.compute.onednn, task, logs) as cluster,
    ):
        from dbsl_tf.engine.watched_run import run_watched
        from dbsl_tf.measuring.profiling_run import measure

        measured, processors = run_watched(
            partial(measure, settings, data, cluster, report), cluster.watch(report)
        )
    measurements: dict[int | None, Measurement] = dict(measured.items())
    # Imported here because it loads scipy, which takes a second.
    from dbsl_tf.profiling.fitting import profile_measurements

    facts = {
        "model": settings.model.name,
        "stem": settings.model.stem,
        "precision": settings.compute.settled_precision,
        "xla": settings.compute.xla,
        "onednn": onednn_of_all(processors),
        "resolutions": list(measurements),
        "data": settings.data.name,
        "epoch_samples": settings.samples,
        "augment": settings.data.model_dump(mode="json")["augment"],
    }
    machine = {
        "device": processor_name(),
        "cores": core_count(),
        "threads_per_worker": cluster.threads_per_worker,
        "workers": settings.cluster.workers,
        "processors": [worker.as_dict() for worker in processors],
    }
    return profile_measurements(
        measurements, facts, machine, method, memory_budget=settings.profile.memory_budget
    )


def profile_path(settings: RunSettings) -> Path:
    """Returns where the profile of a run is kept, for the cluster that this process would use."""
    threads = max(1, core_count() // settings.cluster.workers)
    task = task_from_environment(os.environ)
    servers = () if task is None else task.addresses.parameter_servers + task.addresses.workers
    return cache_path(settings, processor_name(), threads, servers)


def cached_profile(
    settings: RunSettings,
    config_file: str,
    overrides: Sequence[str],
    report: Callable[[str], None],
) -> Path:
    """Returns the profile of this run on this machine, after measuring it if there is none.

    It is measured in a separate process with its own cluster.

    Args:
        settings: the run's settings.
        config_file, overrides: where the settings came from.
        report: called with one line on each thing that happens.

    Raises:
        ClusterError: the measurement failed; its own message has been shown.
        UserError: no plan can be made from the existing profile, which is kept; or the new profile
            lacks a time model, and is not kept.
    """
    path = profile_path(settings)
    if path.exists() and _serves(path, settings):
        report(f"time model: measured before, {path}")
        return path
    seconds = settings.profile.seconds * len(settings.resolutions)
    report(f"no time_model in the configuration: measuring it first, about {seconds:.0f} s, once")
    command = [*python_module("dbsl_tf.profile"), "--config", config_file, *overrides]
    # If it was auto, the choice that was made.
    command.append(f"compute.precision={settings.compute.settled_precision}")
    # The command that needs the profile gives this warning itself.
    status = subprocess.run(
        [*command, "--output", str(path)], check=False, env={**os.environ, CROWDING_IS_KNOWN: "1"}
    ).returncode
    if status:
        raise ClusterError(f"the time model could not be measured (status {status}); see above")
    try:
        _kept_times(path, settings)
    except UserError:
        path.unlink(missing_ok=True)
        raise
    return path


def _serves(path: Path, settings: RunSettings) -> bool:
    """Returns whether the plan's batches are in, or near, the range that a profile was fitted to.

    A file that cannot be used, such as one of another version, does not serve.

    Raises:
        UserError: no plan can be made, and the file is not the cause.
    """
    try:
        kept = _kept_times(path, settings)
    except UserError:
        return False
    for resolution, (models, (smallest, largest)) in kept.items():
        plan = settings.plan(models, resolution)
        if not all(_NEAR * smallest <= worker.batch <= largest for worker in plan.workers):
            return False
    return True


def _kept_times(
    path: Path, settings: RunSettings
) -> dict[int, tuple[tuple[TimeModel, ...], tuple[int, int]]]:
    """Returns for each resolution a profile's time models and the batches they were fitted to.

    Raises:
        UserError: the file cannot be read, or has no time model for a resolution.
    """
    profile = load_profile(path)
    return {
        resolution: (
            profile.time_models(settings.cluster.workers, resolution),
            profile.resolution_times(resolution).fitted_range,
        )
        for resolution in settings.by_resolution
    }
