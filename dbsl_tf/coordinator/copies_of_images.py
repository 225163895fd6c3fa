"""Image folders of which workers of a TF_CONFIG cluster have copies of their own.

A copy may be damaged that the chief does not see; and images that are left out because of that are
in the lists that such workers made themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from dbsl_tf.common.files import read_bytes
from dbsl_tf.data.changed_images import listed_images
from dbsl_tf.data.image_classification import ImageClassificationData
from dbsl_tf.data.image_folder import LARGEST_LIST, ImageData
from dbsl_tf.data.image_listing import TEST, TRAIN
from dbsl_tf.data.image_source import decodable
from dbsl_tf.data.own_copy import Held, write_own
from dbsl_tf.data.training_data import TrainingData
from dbsl_tf.engine.closure import Closure
from dbsl_tf.engine.engine import Engine

# Images of a call, which then takes seconds.
_AT_ONCE = 16_384
# One worker may take the call meant for another.
_TRIES = 10


class _OfWorker(NamedTuple):
    """The result of one worker; tensors in the closure and numpy values after it."""

    worker: Any  # int64, its index
    value: Any


def undecodable_on_workers(engine: Engine, data: ImageData) -> dict[str, set[int]]:
    """Returns the workers that cannot decode an image, by its path in `data.dir`.

    Every worker decodes all of them.

    Args:
        engine: the cluster.
        data: as checked on the chief.

    Raises:
        OSError: a list cannot be read.
        ClusterError: something else failed on a worker.
    """
    found: dict[str, set[int]] = {}
    for split, file in ((TRAIN, data.train_list), (TEST, data.test_list)):
        names = listed_images(split, file)
        closure = engine.closure(partial(_part, data, split))
        for start in range(0, len(names), _AT_ONCE):
            for worker, known in _of_every_worker(engine, closure, np.int64(start)).items():
                for number in np.flatnonzero(~known):
                    found.setdefault(names[start + number], set()).add(worker)
    return found


def give_lists(engine: Engine, data: TrainingData) -> None:
    """Gives workers with copies of their own the chief's lists, if it leaves changed images out.

    Args:
        engine: the cluster.
        data: to train on; nothing is done for others than image folders.

    Raises:
        OSError: a list cannot be read.
        ClusterError: a list cannot be written on a worker.
    """
    files = data.files if isinstance(data, ImageClassificationData) else None
    if not isinstance(files, ImageData) or not files.changed:
        return
    for file in (files.train_list, files.test_list):
        name = f"{file.parent.name}/{file.name}"
        write = partial(write_own, Held.LISTS, "lists-*", name, read_bytes(file, LARGEST_LIST))
        _of_every_worker(engine, engine.closure(partial(_done, write)))


def _part(data: ImageData, split: str, start: tf.Tensor) -> _OfWorker:
    return _OfWorker(Engine.worker_index(), decodable(data, split, start, _AT_ONCE))


def _done(work: Callable[[], tf.Tensor]) -> _OfWorker:
    return _OfWorker(Engine.worker_index(), work())


def _of_every_worker(
    engine: Engine, closure: Closure, *arguments: np.generic
) -> dict[int, np.ndarray]:
    """Returns what the closure returns on each worker that takes part, by its index."""
    results: dict[int, np.ndarray] = {}
    for _ in range(_TRIES):
        calls = [arguments] * engine.workers
        for result in engine.call_each(closure, calls, engine.limits.patience_with):
            results[int(result.worker)] = np.asarray(result.value)
        if results.keys() >= set(engine.membership.present):
            break
    return results
