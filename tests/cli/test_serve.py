"""What `serve` says where it has nothing to serve."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.support.commands import check_one_line_mistake
from tests.support.launching import ROOT

CLUSTER = {"chief": ["127.0.0.1:1"], "worker": ["127.0.0.1:2"], "ps": ["127.0.0.1:3"]}


@pytest.mark.parametrize(
    ("task", "expected"),
    [(None, "TF_CONFIG is not set"), ("chief", "TF_CONFIG makes this process the chief")],
)
def test_a_process_that_is_no_server_is_told_so(task: str | None, expected: str) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "TF_CONFIG"}
    if task is not None:
        content = {"cluster": CLUSTER, "task": {"type": task, "index": 0}}
        environment["TF_CONFIG"] = json.dumps(content)
    result = subprocess.run(
        [sys.executable, "-m", "dbsl_tf.serve"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    check_one_line_mistake(result, expected)
