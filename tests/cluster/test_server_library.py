"""The server's part of TensorFlow, loaded alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dbsl_tf.cluster.server_library import _bare_package

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from dbsl_tf.cluster.server_library import load_server_library
if sys.argv[1] == "after":
    import tensorflow as tf
library = load_server_library()
if sys.argv[1] == "after":
    assert library.Server is tf.distribute.Server and library.OpError is tf.errors.OpError
    assert library.ClusterSpec is tf.train.ClusterSpec
cluster = library.ClusterSpec({"ps": ["127.0.0.1:0"]})
server = library.Server(cluster, job_name="ps", task_index=0, config=library.ConfigProto())
print(server.target, "tensorflow.python.data" in sys.modules)
"""


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("when", "whole"), [("alone", False), pytest.param("after", True, marks=pytest.mark.slow)]
)
def test_a_server_starts(when: str, whole: bool) -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, when], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    target, data_is_loaded = result.stdout.split()
    assert target.startswith("grpc://")
    assert data_is_loaded == str(whole)


def test_a_missing_library_is_named() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        _bare_package("no_such_library")
