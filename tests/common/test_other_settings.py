"""Settings that another project left in the home folder or in the environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.launching import ROOT

BUILD = """
from dbsl_tf.common.quiet import import_tensorflow_quietly
import_tensorflow_quietly()
import json, os, keras, keras_core
from keras.src.backend.config import keras_home
model = keras.Sequential([keras.layers.Dense(2), keras.layers.BatchNormalization()])
model.build((None, 3))
print(json.dumps({
    "types": sorted({w.dtype for w in model.weights}),
    "core": keras_core.layers.Dense(2).dtype,
    "defaults": [keras.config.epsilon(), keras.config.image_data_format()],
    "backends": [keras.backend.backend(), keras_core.backend.backend()],
    "home": str(keras_home()),
    "variable": os.environ.get("KERAS_HOME"),
    "flags": os.environ.get("TF_XLA_FLAGS"),
}))
"""


def python(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a Python does with a program and these variables."""
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("named", [True, False])
def test_keras_has_its_defaults_whatever_is_left_behind(tmp_path: Path, named: bool) -> None:
    folder = tmp_path / ("chosen" if named else ".keras")
    folder.mkdir()
    left = {
        "floatx": "float16",
        "epsilon": 0.1,
        "image_data_format": "channels_first",
        "backend": "jax",
        "nnx_enabled": True,
    }
    # Not even one that cannot be used is read.
    (folder / "keras.json").write_text(json.dumps(left) if named else '{"floatx": "half"}')
    variables = {
        "HOME": str(tmp_path),
        "KERAS_BACKEND": "torch",
        "TF_USE_LEGACY_KERAS": "1",
        "KERAS_MAX_EPOCHS": "few",
        "TF_XLA_FLAGS": "--tf_xla_auto_jit=0 --tf_xla_of_another_version=1",
        **({"KERAS_HOME": str(folder)} if named else {}),
    }
    result = python(BUILD, **variables)
    assert json.loads(result.stdout) == {
        "types": ["float32"],
        "core": "float32",
        "defaults": [1e-7, "channels_last"],
        "backends": ["tensorflow", "tensorflow"],
        "home": str(folder),
        "variable": str(folder) if named else None,
        "flags": "--tf_xla_auto_jit=0",
    }
    assert result.stderr == (
        "warning: TF_XLA_FLAGS has tf_xla_of_another_version, which the installed TensorFlow does "
        "not know; left out\n"
    )
