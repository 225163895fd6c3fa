"""Finds the time models of a run whose configuration has none: measured before, or measured now."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dbsl_tf.cluster.crowding import CROWDING_IS_KNOWN
from dbsl_tf.common.errors import ClusterError, UserError
from dbsl_tf.common.program import python_module, typed
from dbsl_tf.measuring.profile_cache import measurements_path
from dbsl_tf.measuring.profile_cluster import profile_path, profiling_seconds
from dbsl_tf.planning import TimeModel
from dbsl_tf.profiling.kept_measurements import load_measurements
from dbsl_tf.profiling.profile_file import Profile, load_profile
from dbsl_tf.resolved import RunSettings

# A plan made from a finished profile has slightly different batches from those that were timed.
_NEAR = 0.75
# How many times as long as one measurement may take is spent on one that stays in doubt.
_MOST_TRIES = 3
# Statuses after which training may go well nevertheless: doubt or a lost cluster, and what ends a
# process that needs too much memory or that TensorFlow crashes.
_SURVIVED = (1, -signal.SIGKILL, -signal.SIGSEGV, -signal.SIGABRT)


@dataclass(frozen=True)
class FoundTimes:
    """What is known of how long the steps of a run take.

    Attributes:
        profile: the file of a profile that a plan may rest on; None: there is none.
        seconds_per_sample: about how long a sample takes, for each resolution where that is known;
            for a run without a profile.
        doubt: why there is none, in words.
    """

    profile: Path | None = None
    seconds_per_sample: Mapping[int, float] | None = None
    doubt: str = ""


def find_times(
    settings: RunSettings,
    config_file: str,
    overrides: Sequence[str],
    report: Callable[[str], None],
) -> FoundTimes:
    """Returns the profile of this run on this machine, after measuring it if there is none.

    It is measured in a separate process with its own cluster. Only what a plan may rest on is kept
    as a profile; other measurements are kept too, and the next run goes on from them, until they
    have taken several times as long as one may take.

    Args:
        settings: the run's settings.
        config_file, overrides: where the settings came from.
        report: called with one line on each thing that happens.

    Raises:
        ClusterError: the configuration cannot be used, or the process was interrupted; its own
            message has been shown.
        UserError: no plan can be made from the existing profile, which is kept.
    """
    path = profile_path(settings)
    if path.exists() and _serves(path, settings):
        report(f"time model: measured before, {path}")
        return FoundTimes(path)
    most = profiling_seconds(settings)
    kept = measurements_path(path)
    before = load_measurements(kept)
    if before.seconds >= _MOST_TRIES * most:
        report(
            f"no time_model in the configuration, and {before.seconds:.0f} s of measurements have "
            f"given none; {typed('profile')} goes on with them: {kept}"
        )
        return _without(settings, kept)
    report(f"no time_model in the configuration: measuring it first, at most about {most:.0f} s")
    command = [*python_module("dbsl_tf.profile"), "--config", config_file, *overrides]
    # If it was auto, the choice that was made.
    command.append(f"compute.precision={settings.compute.settled_precision}")
    # The command that needs the profile gives this warning itself.
    status = subprocess.run(
        [*command, "--for-training", "--output", str(path)],
        check=False,
        env={**os.environ, CROWDING_IS_KNOWN: "1"},
    ).returncode
    if status == 0:
        return FoundTimes(path)
    if status in _SURVIVED:
        return _without(settings, kept)
    raise ClusterError(f"the time model could not be measured (status {status}); see above")


def _without(settings: RunSettings, kept: Path) -> FoundTimes:
    measured = load_measurements(kept)
    rough = {
        resolution: seconds
        for resolution in settings.by_resolution
        if (seconds := measured.seconds_per_sample(resolution)) is not None
    }
    return FoundTimes(None, rough, measured.doubt or "it could not be measured")


def _serves(path: Path, settings: RunSettings) -> bool:
    """Returns whether the plan's batches are in, or near, the range that a profile was fitted to.

    A file that cannot be used, such as one of another version, does not serve, nor does one that is
    in doubt, which earlier versions kept.

    Raises:
        UserError: no plan can be made, and the file is not the cause.
    """
    # Imported here because it loads scipy, which takes a second.
    from dbsl_tf.profiling.trust import doubt_about

    try:
        profile = load_profile(path)
        workers = settings.cluster.workers
        if any(doubt_about(profile, workers, each) for each in settings.by_resolution):
            return False
        kept = _kept_times(profile, settings)
    except UserError:
        return False
    for resolution, (models, (smallest, largest)) in kept.items():
        plan = settings.plan(models, resolution)
        if not all(_NEAR * smallest <= worker.batch <= largest for worker in plan.workers):
            return False
    return True


def _kept_times(
    profile: Profile, settings: RunSettings
) -> dict[int, tuple[tuple[TimeModel, ...], tuple[int, int]]]:
    """Returns for each resolution a profile's time models and the batches they were fitted to.

    Raises:
        UserError: it has no time model for a resolution.
    """
    return {
        resolution: (
            profile.time_models(settings.cluster.workers, resolution),
            profile.resolution_times(resolution).fitted_range,
        )
        for resolution in settings.by_resolution
    }
