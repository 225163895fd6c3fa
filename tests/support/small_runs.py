"""Directories of runs as training leaves them, made without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dbsl_tf.config import Config, load_config
from dbsl_tf.config.catalogue import dataset_spec
from dbsl_tf.data.dataset import dataset_facts
from dbsl_tf.results.checkpoints import Checkpoint, Checkpoints
from dbsl_tf.results.history import History
from dbsl_tf.results.records import CommitRecord, EvaluationRecord
from dbsl_tf.results.run_directory import RunDirectory
from tests.support.records import commit_record, evaluation_record
from tests.support.tiny_runs import CONFIGURATION


def tiny_config(folder: Path, *overrides: str) -> Config:
    """The configuration of the tiny runs."""
    path = folder / "tiny.yaml"
    path.write_text(CONFIGURATION.replace("ISOLATION", "auto"))
    return load_config(path, overrides)


def initial_weights(config: Config) -> list[np.ndarray]:
    """Weights of the configuration's network before training, by its seed."""
    import keras_core

    from dbsl_tf.models import build_model
    from dbsl_tf.training.network import Network

    model = build_model(keras_core, config.model.name, 10, 0.0, seed=config.run.seed)
    return Network(model).initial_weights()


def write_run(
    path: Path,
    config: Config,
    checkpoints: dict[int, list[np.ndarray]],
    records: list[CommitRecord | EvaluationRecord] | None = None,
) -> RunDirectory:
    """Writes what a run on the digits leaves.

    Args:
        path: the directory.
        config: its configuration.
        checkpoints: the weights kept, by commit.
        records: of its history; None: one epoch of two workers.
    """
    run = RunDirectory(path)
    run.make()
    run.write_text(run.configuration, config.to_yaml())
    run.write_json(run.data, dataset_facts(dataset_spec("digits")))
    for commit, weights in checkpoints.items():
        values: dict[str, Any] = dict(clocks=(1, 1), samples={32: (1, 1)}, wall_seconds=1.0)
        Checkpoints(run.checkpoints, keep=9).save(
            Checkpoint(commit=commit, time_models={}, weights=weights, optimizer_state=[], **values)
        )
    if records is None:
        records = [commit_record(commit=n, worker=n - 1) for n in (1, 2)] + [evaluation_record()]
    with History(run.history) as history:
        for record in records:
            told = history.committed if isinstance(record, CommitRecord) else history.evaluated
            told(record)
    return run
