"""Where the profiles are kept that the training command measures automatically."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from dbsl_tf.cluster.gpus import given_gpus
from dbsl_tf.common.user_cache import user_cache_folder
from dbsl_tf.common.versions import package_versions
from dbsl_tf.config.registries import MODELS
from dbsl_tf.resolved import RunSettings
from dbsl_tf.resolved.timed_settings import timed_settings


def cache_path(
    settings: RunSettings, device: str, threads_per_worker: int, servers: Sequence[str] = ()
) -> Path:
    """Returns the file for the profile of a run on a device, in the user's cache folder.

    Everything that changes the time of a mini-epoch leads to a different file: the configuration
    keys marked with `dbsl_tf.config.tags.Timed`, devices, servers, the version of TensorFlow.

    Args:
        settings: the run's settings.
        device: the name of the hardware, such as `common.processor.processor_name()` or a GPU's.
        threads_per_worker: cores that a worker may use; 0: TensorFlow decides.
        servers: the servers' addresses; empty: they are processes on this machine.
    """
    known = timed_settings(settings)
    key = {
        **known,
        "device": device,
        "visible_gpus": given_gpus(),
        "servers": [*known["servers"], *servers],
        "threads_per_worker": threads_per_worker,
        "versions": package_versions("tensorflow", "tensorflow-cpu"),
    }
    if not MODELS.is_builtin(settings.model.name):
        code = MODELS.fingerprint(settings.model.name)
        key["own_model"] = [code, dict(settings.model.options)]
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]
    precision, workers = settings.compute.precision, settings.cluster.workers
    pixels = "-".join(map(str, settings.by_resolution))
    name = f"{settings.model.name}-{precision}-{pixels}px-{workers}w-{digest}.json"
    return user_cache_folder() / "profiles" / name


def measurements_path(profile: Path) -> Path:
    """Returns the file for what was measured for a profile that could not be made yet.

    Args:
        profile: `cache_path` of the run.
    """
    return profile.parents[1] / "measurements" / profile.name


def precision_path(profile: Path, large_batch: int) -> Path:
    """Returns the file for the precision that `compute.precision: auto` chose.

    Args:
        profile: `cache_path` of the run, with precision auto.
        large_batch: samples in the batches it was measured with.
    """
    return profile.parents[1] / "precisions" / f"{profile.stem}-{large_batch}.json"
