"""python -m scripts.tf_config: what it prints is what the commands read."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from dbsl_tf.cluster.task import ClusterAddresses, task_from_environment
from tests.support.commands import check_one_line_mistake
from tests.support.launching import CONFIGURATION, ROOT

LISTED = ["--chief", "host0", "--ps", "host0", "--worker", "host1,host2"]


def tf_config(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.tf_config", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def printed_task(*arguments: str):
    result = tf_config(*arguments)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count("\n") == 1
    return task_from_environment({"TF_CONFIG": result.stdout})


def test_it_prints_the_task_of_a_role():
    task = printed_task(*LISTED, "--role", "worker", "--index", "1")
    assert (task.name, task.address) == ("worker-1", "host2:2222")
    assert task.addresses == ClusterAddresses(
        "host0:2222", ("host1:2222", "host2:2222"), ("host0:2223",)
    )


def test_without_a_role_it_prints_every_process(tmp_path):
    configuration = tmp_path / "train.yaml"
    configuration.write_text(CONFIGURATION)
    result = tf_config(
        "--hosts-pattern", "t-{role}-{index}.t", "--port", "5000",
        "--config", str(configuration), "cluster.workers=3",
    )  # fmt: skip
    lines = [line.split(" ", 2) for line in result.stdout.splitlines()]
    assert [(name, address) for name, address, _ in lines] == [
        ("chief-0", "t-chief-0.t:5000"),
        ("ps-0", "t-ps-0.t:5000"),
        ("worker-0", "t-worker-0.t:5000"),
        ("worker-1", "t-worker-1.t:5000"),
        ("worker-2", "t-worker-2.t:5000"),
    ]
    for name, address, text in lines:
        task = task_from_environment({"TF_CONFIG": text})
        assert (task.name, task.address) == (name, address)


def test_free_ports_are_all_different():
    task = printed_task(
        "--hosts-pattern", "127.0.0.1", "--workers", "3", "--port", "0", "--role", "chief"
    )
    addresses = [task.address] + [server.address for server in task.addresses.servers()]
    assert len(set(addresses)) == 5


FIREWALLED = [
    *("--chief", "10.0.0.1", "--ps", "10.0.0.1", "--worker", "10.0.0.2,10.0.0.2"),
    *("--firewall", "ufw"),
]


def test_it_prints_the_firewall_rules_of_every_machine():
    result = tf_config(*FIREWALLED)
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert [line for line in lines if line.startswith("#")] == [
        "# on 10.0.0.1, for chief-0, ps-0",
        "# on 10.0.0.2, for worker-0, worker-1",
    ]
    assert sum("allow proto tcp from 10.0.0.2 " in line for line in lines) == 1


def test_of_a_role_it_prints_the_rules_of_its_machine():
    result = tf_config(*FIREWALLED, "--role", "worker", "--index", "1")
    assert result.stdout.startswith("# on 10.0.0.2, for worker-0, worker-1\nufw ")
    assert result.stdout.count("#") == 1


def test_it_needs_no_tensorflow():
    program = (
        "import runpy, sys; sys.argv = ['tf_config.py', '--help']\n"
        "try: runpy.run_module('scripts.tf_config', run_name='script')\n"
        "finally: print([name for name in sys.modules if name in ('tensorflow', 'pydantic')])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True
    )
    assert (result.stdout, result.stderr) == ("[]\n", "")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "--hosts-file"),
        ([*LISTED, "--hosts-pattern", "a"], "one way"),
        (["--chief", "a", "--worker", "b"], "--ps"),
        ([*LISTED, "--role", "master"], "'master'"),
        ([*LISTED, "--role", "worker", "--index", "2"], "task.index=2"),
        ([*LISTED, "--index", "1"], "--role"),
        ([*LISTED, "--port", "70000"], "--port 70000"),
        ([*LISTED, "--port", "x"], "'x'"),
        ([*LISTED, "--firewall", "iptables"], "'iptables'"),
        (["--hosts-pattern", "a.invalid", "--workers", "1", "--firewall", "nft"], "'a.invalid'"),
        ([*LISTED, "a.b=1"], "--config"),
        (["--chief", "a", "--ps", "b", "--worker", "c,,d"], "':2222'"),
        (["--chief", "a:1", "--ps", "b:2", "--worker", "A:1"], "A:1 more than once"),
        (["--hosts-pattern", "a"], "--workers"),
        (["--hosts-pattern", "a-{rank}", "--workers", "2"], "{rank}"),
        (["--hosts-pattern", "a", "--workers", "0"], "'0'"),
        (["--nodes", "a", "--workers", "2"], "1 place(s)"),
        (["--hosts-file", "/proc/nowhere/hosts"], "/proc/nowhere/hosts"),
        ([*LISTED, "--config", "/proc/nowhere.yaml"], "/proc/nowhere.yaml"),
        ([*LISTED, "--config", "configs/cifar100_compsac.yaml"], "cluster.workers=4"),
    ],
)
def test_a_mistake_is_named_in_one_line(arguments, named, monkeypatch):
    monkeypatch.chdir(ROOT)
    check_one_line_mistake(tf_config(*arguments), named)


def test_the_output_is_json():
    assert json.loads(tf_config(*LISTED, "--role", "chief").stdout)["task"] == {
        "type": "chief",
        "index": 0,
    }
