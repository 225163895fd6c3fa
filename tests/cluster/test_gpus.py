"""Which process uses which GPU."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dbsl_tf.cluster.gpus import claim_gpu, given_gpus, gpu_of, visible_gpus
from dbsl_tf.cluster.task import CHIEF, PARAMETER_SERVER, WORKER, ClusterAddresses, Task
from tests.support.commands import check_one_line_mistake
from tests.support.launching import ROOT

# The last worker is on the machine of the first two, by another name, if that is this machine.
HERE = ClusterAddresses(
    "127.0.0.1:1",
    ("127.0.0.1:2", "127.0.0.1:3", "192.0.2.1:2", "localhost:4"),  # TEST-NET-1, RFC 5737
    ("127.0.0.1:5",),
)
ELSEWHERE = ClusterAddresses("a:1", ("B:2", "c:2", "b:3", "c:3", "c:4"), ("c:5",))


@pytest.fixture(autouse=True)
def _two_gpus(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4, 7")
    # Set and unset, so that what a claim sets is undone.
    monkeypatch.setenv("DBSL_TF_GIVEN_GPUS", "")
    monkeypatch.delenv("DBSL_TF_GIVEN_GPUS")


def gpus(addresses: ClusterAddresses, role: str) -> list[str | None]:
    count = len(addresses.as_dict()[role])
    return [gpu_of(Task(addresses, role, index)) for index in range(count)]


def test_workers_of_a_machine_take_its_gpus_in_turn():
    assert gpus(ELSEWHERE, WORKER) == ["4", "4", "7", "7", "4"]


def test_a_machine_is_one_by_whatever_name():
    # TensorFlow listens on every address, so these two names are one machine.
    assert socket.gethostbyname("localhost").startswith("127.")
    assert gpus(HERE, WORKER) == ["4", "7", "4", "4"]


@pytest.mark.parametrize("role", [CHIEF, PARAMETER_SERVER])
def test_who_does_not_compute_has_none(role):
    assert gpus(HERE, role) == [None]
    assert gpu_of(None) is None


def test_where_there_is_none_a_worker_has_none(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert gpus(ELSEWHERE, WORKER) == [None] * 5


def test_a_process_sees_its_own_alone():
    assert claim_gpu(Task(ELSEWHERE, WORKER, 2)) == "7"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "7"


@pytest.mark.parametrize("given", [None, "-1"])
def test_a_worker_without_a_known_gpu_sees_what_it_was_given(monkeypatch, given):
    if given is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
        monkeypatch.setattr("dbsl_tf.cluster.gpus.visible_gpus", list)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    # Code of the user's is imported as in a chief.
    claim_gpu(None)
    assert claim_gpu(Task(ELSEWHERE, WORKER, 0)) is None
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == given


def test_a_chief_sees_none_and_knows_what_it_was_given():
    """Its local workers get them; a restart, which inherits the environment, does the same."""
    for _ in range(2):
        assert claim_gpu(None) is None
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "-1"
        assert (given_gpus(), visible_gpus()) == ("4, 7", ["4", "7"])


def test_what_was_unset_stays_unset_for_the_workers(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    before = visible_gpus()
    claim_gpu(None)
    assert (given_gpus(), visible_gpus()) == (None, before)


@pytest.mark.slow
def test_a_chief_sees_none_by_the_time_code_of_a_user_runs(tmp_path: Path):
    (tmp_path / "own.py").write_text("import os\nraise ValueError(os.environ)\n")
    result = subprocess.run(
        [
            *(sys.executable, "-m", "dbsl_tf.train", "--config", ROOT / "configs/quickstart.yaml"),
            *("model.name=own:model", "run.dir=run"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    check_one_line_mistake(result, "'CUDA_VISIBLE_DEVICES': '-1'")
