"""Where a profile is kept that the training command made by itself."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from dbsl_tf.common.onednn import decide
from dbsl_tf.common.user_cache import user_cache_folder
from dbsl_tf.common.versions import package_versions
from dbsl_tf.config.catalogue import IMAGE_FOLDER
from dbsl_tf.resolved import RunSettings


def cache_path(
    settings: RunSettings, device: str, threads_per_worker: int, servers: Sequence[str] = ()
) -> Path:
    """Returns the file for the profile of a run on a device.

    Whatever changes the time of a mini-epoch leads to another file: model, optimiser, precision,
    XLA, oneDNN, resolution, data, augmentation, devices, servers, transfers, the version of
    TensorFlow. It lies in the user's cache folder.

    Args:
        settings: of the run.
        device: what computes, such as `common.processor.processor_name()` or the name of a GPU.
        threads_per_worker: cores a worker may use; 0 where TensorFlow decides.
        servers: their addresses; none: they are processes of this machine.
    """
    resolutions = list(settings.by_resolution)
    compute, cluster = settings.compute, settings.cluster
    key = {
        "model": settings.model.name,
        "stem": settings.model.stem,
        "precision": compute.precision,
        "xla": compute.xla,
        "onednn": decide(compute.onednn, os.environ).on,
        "resolutions": resolutions,
        "data": settings.data.name,
        "files": str(settings.data.dir) if settings.data.name == IMAGE_FOLDER else None,
        "optimizer": [settings.optimizer.momentum, settings.optimizer.state],
        "augment": settings.data.model_dump(mode="json")["augment"],
        "device": device,
        "visible_gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "transfer_dtype": cluster.transfer_dtype,
        "servers": [cluster.workers, cluster.parameter_servers, *servers],
        "threads_per_worker": threads_per_worker,
        "versions": package_versions("tensorflow", "tensorflow-cpu"),
    }
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]
    precision = compute.precision
    pixels = "-".join(map(str, resolutions))
    name = f"{settings.model.name}-{precision}-{pixels}px-{cluster.workers}w-{digest}.json"
    return user_cache_folder() / "profiles" / name


def precision_path(profile: Path, large_batch: int) -> Path:
    """Returns the file for the precision that `compute.precision: auto` came to.

    Args:
        profile: `cache_path` of the run, with auto.
        large_batch: samples in the batches that it was measured with.
    """
    return profile.parents[1] / "precisions" / f"{profile.stem}-{large_batch}.json"
