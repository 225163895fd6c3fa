"""The one line about workers that share cores, from each command that plans or measures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dbsl_tf.cluster.crowding import CROWDING_IS_KNOWN, warn_of_crowding
from dbsl_tf.common.cores import available_cores
from dbsl_tf.config import load_config

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs/quickstart.yaml"
CORES = len(available_cores())
CROWDED = ["--config", str(CONFIG), f"cluster.workers={CORES + 1}"]


def warned(capsys: pytest.CaptureFixture[str], workers: int) -> str:
    warn_of_crowding(load_config(CONFIG, [f"cluster.workers={workers}"]))
    return capsys.readouterr().err


@pytest.fixture(autouse=True)
def _on_cores_of_this_machine(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("TF_CONFIG", "")
    # Set and unset, so that what the warning sets is undone.
    monkeypatch.setenv(CROWDING_IS_KNOWN, "")
    monkeypatch.delenv(CROWDING_IS_KNOWN)


def test_more_workers_than_cores_are_told_once_in_a_line(capsys):
    line = warned(capsys, CORES + 1)
    assert line.startswith(f"warning: {CORES + 1} workers share {CORES} core(s)")
    assert f"cluster.workers={CORES} at most" in line
    assert line.count("\n") == 1
    assert warned(capsys, CORES + 1) == ""


def test_a_core_for_each_worker_needs_no_word(capsys):
    assert warned(capsys, CORES) == ""


@pytest.mark.parametrize("variable", ["TF_CONFIG", "CUDA_VISIBLE_DEVICES"])
def test_neither_do_other_machines_or_gpus(capsys, monkeypatch, variable):
    monkeypatch.setenv(variable, "0")
    assert warned(capsys, CORES + 1) == ""


@pytest.mark.parametrize("arguments", [["plan"], ["plan", "--sweep"], ["simulate"]])
def test_commands_say_so_beside_their_json(arguments):
    command, *options = arguments
    done = subprocess.run(
        [sys.executable, "-m", f"dbsl_tf.{command}", *CROWDED, *options, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ,
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)
    assert done.stderr.count("warning:") == done.stderr.count("\n") == 1
