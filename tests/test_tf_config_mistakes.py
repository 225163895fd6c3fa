"""What the command says about a TF_CONFIG that cannot work, instead of waiting for ever."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dbsl_tf.cluster.local import free_ports
from tests.support.commands import check_one_line_mistake
from tests.support.launching import CONFIGURATION, ROOT

CONNECT_TIMEOUT = 2.0


def rarely(*values: str) -> list:
    """Parameters that only `--all` tries."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


@pytest.fixture
def cluster() -> dict[str, list[str]]:
    chief, server, *workers = [f"127.0.0.1:{port}" for port in free_ports(4)]
    return {"chief": [chief], "ps": [server], "worker": workers}


def train(folder: Path, cluster, role: str, index: int = 0) -> subprocess.CompletedProcess[str]:
    (folder / "tiny.yaml").write_text(CONFIGURATION)
    task = {"cluster": cluster, "task": {"type": role, "index": index}}
    return subprocess.run(
        [sys.executable, "-m", "dbsl_tf.train", "--config", str(folder / "tiny.yaml")]
        + [f"cluster.connect_timeout={CONNECT_TIMEOUT}", f"run.dir={folder / 'run'}"],
        cwd=ROOT,
        env={**os.environ, "TF_CONFIG": json.dumps(task), "XDG_CACHE_HOME": str(folder)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("role", [*rarely("chief", "ps"), "worker"])
def test_every_role_refuses_an_address_that_is_there_twice(tmp_path: Path, cluster, role):
    twice = {**cluster, "worker": [cluster["ps"][0], cluster["worker"][1]]}
    check_one_line_mistake(train(tmp_path, twice, role), f"{cluster['ps'][0]} more than once")


@pytest.mark.parametrize("role", [*rarely("ps"), "worker"])
def test_servers_refuse_a_cluster_without_a_chief(tmp_path: Path, cluster, role):
    del cluster["chief"]
    check_one_line_mistake(train(tmp_path, cluster, role), "cluster.chief=None")


@pytest.mark.parametrize(("role", "index"), [("evaluator", 0), ("worker", 2), ("ps", 1)])
def test_an_unknown_role_or_index_is_refused(tmp_path: Path, cluster, role, index):
    check_one_line_mistake(train(tmp_path, cluster, role, index), "TF_CONFIG task.")


@pytest.mark.parametrize("role", [*rarely("chief", "ps"), "worker"])
def test_a_port_in_use_is_named(tmp_path: Path, cluster, role):
    host, _, port = cluster[role][0].rpartition(":")
    with socket.create_server((host, int(port))):
        result = train(tmp_path, cluster, role)
    assert result.returncode == 2
    assert f"{role}-0 cannot listen on port {port}" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("wrong", [*rarely("ps"), "worker"])
def test_a_server_whose_cluster_has_no_such_host_says_so(tmp_path: Path, cluster, wrong):
    cluster[wrong][0] = "nowhere.invalid:2222"
    result = train(tmp_path, cluster, "worker")
    check_one_line_mistake(result, f"'nowhere.invalid' of {wrong}-0")


def test_a_server_on_another_machine_is_warned(tmp_path: Path, cluster):
    # An address that is never given out (RFC 5737).
    host, _, port = cluster["worker"][0].rpartition(":")
    cluster["worker"][0] = f"192.0.2.1:{port}"
    (tmp_path / "tiny.yaml").write_text(CONFIGURATION)
    task = {"cluster": cluster, "task": {"type": "worker", "index": 0}}
    process = subprocess.Popen(
        [sys.executable, "-m", "dbsl_tf.train", "--config", str(tmp_path / "tiny.yaml")],
        cwd=ROOT,
        env={**os.environ, "TF_CONFIG": json.dumps(task), "XDG_CACHE_HOME": str(tmp_path)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert f"warning: 192.0.2.1:{port} of worker-0" in process.stderr.readline()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("127.0.0.1:1", id="refused", marks=pytest.mark.slow),
        pytest.param("nowhere.invalid:2222", id="unknown", marks=pytest.mark.slow),
    ],
)
def test_a_chief_names_the_server_it_cannot_reach(tmp_path: Path, cluster, address):
    cluster["ps"][0] = address
    result = train(tmp_path, cluster, "chief")
    assert result.returncode == 2
    assert f"ps-0 at {address} cannot be reached within cluster.connect_timeout" in result.stderr
    assert result.stderr.count("\n") == 1
