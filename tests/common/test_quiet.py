"""Importing TensorFlow for a command."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.launching import ROOT

PROGRAM = """
import sys
from dbsl_tf.common.quiet import import_tensorflow_quietly
import_tensorflow_quietly()
print(sorted({"keras", "matplotlib", "scipy", "sklearn", "tensorflow"} & set(sys.modules)))
import matplotlib.pyplot, scipy.stats, sklearn.datasets
print("imported")
"""


@pytest.mark.slow
def test_what_keras_need_not_import_is_left_for_later() -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines() == ["['keras', 'tensorflow']", "imported"]
    assert result.stderr == ""
