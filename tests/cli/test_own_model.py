"""A model from outside this package, named by the configuration."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.support.launching import CONFIGURATION, ROOT

MODELS = """
import keras

def half_frozen(units):
    base = keras.Sequential(
        [
            keras.Input([32, 32, 3]),
            keras.layers.Conv2D(4, 3, strides=2),
            keras.layers.BatchNormalization(),
        ],
        name="base",
    )
    base.trainable = False
    return keras.Sequential(
        [
            keras.Input([32, 32, 3]),
            base,
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(10),
        ]
    )
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_models.py").write_text(MODELS)
    (tmp_path / "own.yaml").write_text(
        CONFIGURATION.replace("{name: resnet8}", "{name: 'my_models:half_frozen'}")
    )
    return tmp_path


def run(folder: Path, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"dbsl_tf.{command}", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def train(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    return run(folder, "train", "--config", "own.yaml", "run.dir=run", *overrides)


def check_refused(result: subprocess.CompletedProcess[str], expected: str) -> None:
    """It may have told what it is about to do, but nothing has failed but this."""
    assert result.returncode == 2
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert expected in result.stderr


@pytest.mark.cluster
@pytest.mark.slow
def test_it_is_trained_evaluated_and_exported(folder: Path) -> None:
    result = train(folder, "model.options={units: 6}", "run.seed=3")
    assert (result.returncode, result.stderr) == (0, "")
    model = keras.saving.load_model(folder / "run" / "model.keras")
    assert model.layers[2].units == 6
    # What is frozen is what the seed gave, to the bit.
    namespace: dict = {}
    exec(MODELS, namespace)
    keras.utils.set_random_seed(3)
    fresh = namespace["half_frozen"](6)
    for trained, begun in zip(model.layers[0].get_weights(), fresh.layers[0].get_weights()):
        np.testing.assert_array_equal(trained, begun)
    assert not np.array_equal(model.layers[2].get_weights()[0], fresh.layers[2].get_weights()[0])

    evaluated = run(folder, "evaluate", "run")
    assert evaluated.returncode == 0, evaluated.stderr
    summary = json.loads((folder / "run" / "summary.json").read_text())
    assert f"top-1 {summary['test_accuracy']:.2%}" in evaluated.stdout

    # Another run begins with these weights; what is not of the same model is refused.
    begun = train(
        folder,
        "model.options={units: 6}",
        "model.weights=run",
        "run.dir=next",
        "optimizer.base_lr=1e-9",
    )
    assert begun.returncode == 0, begun.stderr
    after = keras.saving.load_model(folder / "next" / "model.keras")
    np.testing.assert_allclose(after.get_weights()[-1], model.get_weights()[-1], atol=1e-6)
    other = train(folder, "model.options={units: 5}", "model.weights=run", "run.dir=other")
    check_refused(other, "model.weights is run, whose weights do not fit the model")


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        pytest.param(
            *("model.name=my_models:missing", "model.name is 'my_models:missing'"),
            marks=pytest.mark.slow,
        ),
        ("model.name=resnet9", "did you mean resnet8?"),
        pytest.param("model.name=own", "dbsl_tf.Trainer", marks=pytest.mark.slow),
        pytest.param(
            *("model.options={width: 6}", "model.options is {'width': 6}"), marks=pytest.mark.slow
        ),
        ("model.dropout=0.5", "model.dropout is 0.5; leave it out"),
        pytest.param(
            *("model.weights=nowhere.keras", "there is no nowhere.keras"), marks=pytest.mark.slow
        ),
    ],
)
@pytest.mark.cluster
def test_a_mistake_is_one_line(folder: Path, override: str, expected: str) -> None:
    overrides = ["model.options={units: 6}", override]
    if override.startswith(("model.options", "model.name=resnet9")):
        overrides = [override]
    result = train(folder, *overrides)
    check_refused(result, expected)
    if override.startswith("model.name"):
        # Nothing has been begun.
        assert result.stdout == "" and not (folder / "run").exists()
