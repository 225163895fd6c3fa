"""Where a profile is kept that the training command made by itself."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from dbsl_tf.common.user_cache import user_cache_folder
from dbsl_tf.common.versions import package_versions
from dbsl_tf.resolved import RunSettings
from dbsl_tf.resolved.timed_settings import timed_settings


def cache_path(
    settings: RunSettings, device: str, threads_per_worker: int, servers: Sequence[str] = ()
) -> Path:
    """Returns the file for the profile of a run on a device.

    Whatever changes the time of a mini-epoch leads to another file: the keys of the configuration
    that `dbsl_tf.config.tags.Timed` marks, devices, servers, the version of TensorFlow. It lies in
    the user's cache folder.

    Args:
        settings: of the run.
        device: what computes, such as `common.processor.processor_name()` or the name of a GPU.
        threads_per_worker: cores a worker may use; 0 where TensorFlow decides.
        servers: their addresses; none: they are processes of this machine.
    """
    known = timed_settings(settings)
    key = {
        **known,
        "device": device,
        "visible_gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "servers": [*known["servers"], *servers],
        "threads_per_worker": threads_per_worker,
        "versions": package_versions("tensorflow", "tensorflow-cpu"),
    }
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]
    precision, workers = settings.compute.precision, settings.cluster.workers
    pixels = "-".join(map(str, settings.by_resolution))
    name = f"{settings.model.name}-{precision}-{pixels}px-{workers}w-{digest}.json"
    return user_cache_folder() / "profiles" / name


def precision_path(profile: Path, large_batch: int) -> Path:
    """Returns the file for the precision that `compute.precision: auto` came to.

    Args:
        profile: `cache_path` of the run, with auto.
        large_batch: samples in the batches that it was measured with.
    """
    return profile.parents[1] / "precisions" / f"{profile.stem}-{large_batch}.json"
