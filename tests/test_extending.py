"""The programs and settings in README, docs/tutorial.md and docs/extending.md."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
import pytest
import tensorflow as tf
import yaml

import dbsl_tf
from dbsl_tf.config import load_config
from dbsl_tf.config.registries import MODELS
from dbsl_tf.data.configured import training_data
from dbsl_tf.data.training_data import Share
from dbsl_tf.resolved import settings_of
from dbsl_tf.results.history_lines import read_events
from dbsl_tf.shared_model.configured import merge_rule
from dbsl_tf.training.objective_names import objective_settings_of
from dbsl_tf.training.objective_settings import ObjectiveSettings
from dbsl_tf.training.optimizers import build_optimizer
from tests.support.launching import ROOT

GUIDE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
REST = """
cluster: {workers: 2}
dual_batch: {small_workers: 1, large_batch: 64, extra_time_ratio: 1.1}
time_model: {a: 0.0001, b: 0.003}
schedule: {epochs: 1}
"""


def blocks(language: str, text: str = GUIDE) -> list[str]:
    return re.findall(f"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Has the parts as a module, and a configuration that names them."""
    *parts, _ = blocks("python")
    (tmp_path / "my_parts.py").write_text("\n".join(parts))
    sections: dict[str, dict] = yaml.safe_load(REST)
    for block in blocks("yaml"):
        for section, keys in yaml.safe_load(block).items():
            sections.setdefault(section, {}).update(keys)
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(sections))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_parts", raising=False)
    return tmp_path


@pytest.fixture
def parts(folder: Path) -> ModuleType:
    return importlib.import_module("my_parts")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache")},
        capture_output=True,
        text=True,
    )


def test_what_the_settings_name_can_be_used(folder: Path, parts: ModuleType) -> None:
    config = load_config("my.yaml")
    model = MODELS.make(config.model.name, config.model.options)
    assert model.layers[0].filters == 8
    data = training_data(config.data, folder / "data")
    assert (data.train_samples, data.test_samples) == (600, 150)
    optimizer = build_optimizer(config.optimizer)
    assert optimizer == parts.Lion(beta=0.95)
    assert merge_rule(config.merge, 2) is parts.careful
    outer = config.merge.model_copy(update={"rule": "my_parts:HeavyBall", "momentum": 0.25})
    assert merge_rule(outer, 2).momentum == 0.25
    assert settings_of(config, 600).learning_rate.learning_rate(2.0) == pytest.approx(3e-3 * 0.81)

    objective = objective_settings_of(config.training).build(
        tf.TensorSpec([None], tf.int64), tf.TensorSpec([None, 3])
    )
    names = [metric.name for metric in objective.metrics]
    assert names == ["sparse_categorical_accuracy", "margin", "confident"]
    y, logits = tf.constant([0, 2]), tf.math.log([[0.5, 0.25, 0.25], [0.25, 0.25, 0.5]])
    # With gamma 1: (1 − 1/2)·ln 2.
    np.testing.assert_allclose(objective.losses(y, logits), [0.5 * np.log(2)] * 2, rtol=1e-6)
    np.testing.assert_allclose(parts.margin(y, logits), [np.log(2)] * 2, rtol=1e-6)
    y_of_both = {"kind": y, "frequency": tf.constant([2.0, 4.0])}
    both = {"kind": logits, "frequency": tf.constant([[2.0], [1.0]])}
    objective = ObjectiveSettings(parts.two_losses, parts.two_metrics).build(
        {"kind": tf.TensorSpec([None], tf.int32), "frequency": tf.TensorSpec([None])},
        {"kind": tf.TensorSpec([None, 3]), "frequency": tf.TensorSpec([None, 1])},
    )
    np.testing.assert_allclose(
        objective.losses(y_of_both, both), [np.log(2), 9 + np.log(2)], rtol=1e-6
    )
    weighing = dbsl_tf.Data(parts.load_waves, 6, 3, preprocess=parts.rare_kinds_count_more)
    ((_, weighted),) = weighing.test_batches(Share(0, 3, 3)).as_numpy_iterator()
    np.testing.assert_array_equal(weighted.labels, [0, 1, 2])
    np.testing.assert_array_equal(weighted.weights, [1, 1, 5])
    merged = parts.careful(np.float32([1, 1]), np.float32([1.1, 9]), np.float32(1))
    np.testing.assert_allclose(merged, [1.025, 1.05])


def test_the_program_of_the_readme_describes_a_run() -> None:
    (program,) = blocks("python", (ROOT / "README.md").read_text(encoding="utf-8"))
    described, fit = program.split("    run = ")
    assert fit == "trainer.fit(epochs=20)\n"
    x, y = np.zeros([4, 32, 32, 3], np.uint8), np.zeros([4], np.int64)
    names = {"__name__": "__main__", "x_train": x, "y_train": y, "x_test": x, "y_test": y}
    exec(described, names)
    assert names["trainer"].build_model().output_shape == (None, 10)


@pytest.mark.cluster
@pytest.mark.slow
def test_the_program_of_the_tutorial_learns(tmp_path: Path) -> None:
    (program,) = blocks("python", (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8"))
    # As measured before.
    program = program.replace("large_batch=64", "large_batch=64, time_model=(1e-5, 1e-3)")
    (tmp_path / "mine.py").write_text(program)
    result = run(tmp_path, "mine.py")
    assert result.returncode == 0, result.stderr
    accuracies = re.findall(r"\[(.*)\]$", result.stdout.strip())[-1].split(", ")
    # Of ten digits; runs differ in the order of their merges.
    assert max(map(float, accuracies)) > 0.6


@pytest.mark.cluster
@pytest.mark.slow
def test_the_program_learns(folder: Path) -> None:
    (folder / "my_program.py").write_text("\n".join(blocks("python")))
    result = run(folder, "my_program.py")
    assert result.returncode == 0, result.stderr
    accuracies = re.findall(r"\[(.*)\]$", result.stdout.strip())[-1].split(", ")
    # Of three kinds; likewise.
    assert max(map(float, accuracies)) > 0.5


@pytest.mark.cluster
@pytest.mark.slow
def test_the_settings_train(folder: Path) -> None:
    result = run(folder, "-m", "dbsl_tf.train", "--config", "my.yaml", "run.dir=run")
    assert (result.returncode, result.stderr) == (0, "")
    commits = [e for e in read_events(folder / "run" / "history.jsonl") if e["event"] == "commit"]
    assert len(commits) == 2
    assert keras.saving.load_model(folder / "run" / "model.keras").layers[0].filters == 8
