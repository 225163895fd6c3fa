"""Where a profile is kept that the training command made by itself."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dbsl_tf.common.onednn import decide
from dbsl_tf.common.user_cache import user_cache_folder
from dbsl_tf.common.versions import package_versions
from dbsl_tf.config.catalogue import IMAGE_FOLDER
from dbsl_tf.schedules.progressive import resolution_settings

if TYPE_CHECKING:
    from dbsl_tf.config import Config


def cache_path(
    config: Config, device: str, threads_per_worker: int, servers: Sequence[str] = ()
) -> Path:
    """Returns the file for the profile of a configuration on a device.

    Whatever changes the time of a mini-epoch leads to another file: model, optimiser, precision,
    XLA, oneDNN, resolution, data, augmentation, devices, servers, transfers, the version of
    TensorFlow. It lies in the user's cache folder.

    Args:
        config: of the run.
        device: what computes, such as `common.processor.processor_name()` or the name of a GPU.
        threads_per_worker: cores a worker may use; 0 where TensorFlow decides.
        servers: their addresses; none: they are processes of this machine.
    """
    resolutions = [settings.resolution for settings in resolution_settings(config)]
    key = {
        "model": config.model.name,
        "stem": config.stem,
        "precision": config.compute.precision,
        "xla": config.compute.xla,
        "onednn": decide(config.compute.onednn, os.environ).on,
        "resolutions": resolutions,
        "data": config.data.name,
        "files": str(config.data.dir) if config.data.name == IMAGE_FOLDER else None,
        "optimizer": [config.optimizer.momentum, config.optimizer.state],
        "augment": config.model_dump(mode="json")["data"]["augment"],
        "device": device,
        "visible_gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "transfer_dtype": config.cluster.transfer_dtype,
        "servers": [config.cluster.workers, config.cluster.parameter_servers, *servers],
        "threads_per_worker": threads_per_worker,
        "versions": package_versions("tensorflow", "tensorflow-cpu"),
    }
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]
    precision = config.compute.precision
    pixels = "-".join(map(str, resolutions))
    name = f"{config.model.name}-{precision}-{pixels}px-{config.cluster.workers}w-{digest}.json"
    return user_cache_folder() / "profiles" / name


def precision_path(profile: Path, large_batch: int) -> Path:
    """Returns the file for the precision that `compute.precision: auto` came to.

    Args:
        profile: `cache_path` of the configuration, with auto.
        large_batch: samples in the batches that it was measured with.
    """
    return profile.parents[1] / "precisions" / f"{profile.stem}-{large_batch}.json"
