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

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs/quickstart.yaml"
CORES = len(available_cores())
CROWDED = ["--config", str(CONFIG), f"cluster.workers={CORES + 1}"]


def warned(capsys: pytest.CaptureFixture[str], workers: int) -> str:
    warn_of_crowding(workers)
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
    assert f"use at most {CORES} here (cluster.workers)" in line
    assert line.count("\n") == 1
    assert warned(capsys, CORES + 1) == ""


def test_a_core_for_each_worker_needs_no_word(capsys):
    assert warned(capsys, CORES) == ""


def test_neither_do_gpus(capsys, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert warned(capsys, CORES + 1) == ""


def tf_config(here: int, elsewhere: int) -> str:
    ports = iter(range(2222, 65536))
    hosts = ["127.0.0.1"] * here + ["192.0.2.1"] * elsewhere  # TEST-NET-1, RFC 5737
    servers = [f"{host}:{next(ports)}" for host in ["127.0.0.1"] * 2 + hosts]
    cluster = {"chief": servers[:1], "ps": servers[1:2], "worker": servers[2:]}
    return json.dumps({"cluster": cluster, "task": {"type": "chief", "index": 0}})


def test_of_tf_config_the_workers_of_this_machine_count(capsys, monkeypatch):
    """As the launcher for one machine sets it."""
    monkeypatch.setenv("TF_CONFIG", tf_config(here=CORES, elsewhere=1))
    assert warned(capsys, CORES + 1) == ""
    monkeypatch.setenv("TF_CONFIG", tf_config(here=CORES + 1, elsewhere=1))
    line = warned(capsys, CORES + 2)
    assert line.startswith(f"warning: {CORES + 1} workers share {CORES} core(s)")


def test_a_tf_config_that_cannot_be_read_is_told_by_others(capsys, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "0")
    assert warned(capsys, CORES + 1) == ""


def say_beside_json(*arguments: str) -> str:
    """What a command says of more workers than cores, beside its JSON."""
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
    return done.stderr


@pytest.mark.parametrize("arguments", [["plan"], ["plan", "--sweep"]])
def test_commands_say_so_beside_their_json(arguments):
    said = say_beside_json(*arguments)
    assert said.count("warning:") == said.count("\n") == 1


def test_a_simulated_cluster_is_not_on_this_machine():
    assert say_beside_json("simulate") == ""
