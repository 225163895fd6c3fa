"""scripts/launch_ssh.sh with an `ssh` that runs the command on this machine."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from dbsl_tf.cluster.local import free_ports
from dbsl_tf.cluster.task import task_from_environment
from tests.support.commands import check_one_line_mistake
from tests.support.launching import (
    CONFIGURATION,
    ROOT,
    environment,
    run,
    wait_until_gone,
    warnings,
    write_program,
)

# As sshd does, it gives the words to a shell as one text. The host `down` does not answer.
SSH = """#!/usr/bin/env bash
while [ "$1" = -o ]; do shift 2; done
host="$1"
shift
if [ "$host" = down ]; then
    echo "ssh: connect to host down port 22: Connection refused" >&2
    exit 255
fi
echo "$host $*" >> "$SSH_LOG"
cd /
exec sh -c "$*"
"""


@pytest.fixture
def training(tmp_path: Path) -> list[str]:
    write_program(tmp_path / "bin" / "ssh", SSH)
    (tmp_path / "tiny.yaml").write_text(CONFIGURATION)
    hosts = ["chief 127.0.0.1", "ps 127.0.0.1", "worker localhost", "worker 127.0.0.1"]
    lines = [f"{host}:{port}\n" for host, port in zip(hosts, free_ports(4))]
    (tmp_path / "hosts").write_text("".join(lines))
    return [
        "--hosts",
        f"{tmp_path}/hosts",
        "--config",
        f"{tmp_path}/tiny.yaml",
        "--logs",
        f"{tmp_path}/logs",
        f"run.dir={tmp_path}/it's a $HOME",
    ]


def ssh_environment(folder: Path) -> dict[str, str]:
    return environment(folder, SSH_LOG=str(folder / "ssh.log"))


@pytest.mark.cluster
@pytest.mark.slow
def test_it_trains_over_ssh_and_leaves_no_process(tmp_path: Path, training):
    result = run("launch_ssh.sh", *training, "--chief", "ssh", env=ssh_environment(tmp_path))
    assert result.returncode == 0, result.stderr
    (warning,) = warnings(result.stderr)
    assert "firewalls" in warning and "localhost:" in warning
    history = tmp_path / "it's a $HOME" / "history.jsonl"
    events = [json.loads(line) for line in history.open()]
    assert [line["commit"] for line in events if line["event"] == "commit"] == [1, 2]
    # One check of each machine, then one connection for each process.
    assert len((tmp_path / "ssh.log").read_text().splitlines()) == 2 + 4
    wait_until_gone(tmp_path)


def test_a_dry_run_prints_what_ssh_would_run(tmp_path: Path, training):
    result = run("launch_ssh.sh", *training, "--dry-run", env=ssh_environment(tmp_path))
    assert (result.returncode, result.stderr) == (0, "")
    assert not (tmp_path / "ssh.log").exists()
    chief, *servers = [shlex.split(line) for line in result.stdout.splitlines()]
    # The chief's host is this machine.
    assert chief[:3] == ["bash", "scripts/until_eof.sh", "INT"]
    found = []
    for words in servers:
        *ssh, host, text = words
        assert ssh[0] == "ssh" and "BatchMode=yes" in ssh
        remote = shlex.split(text)
        assert remote[:3] == ["cd", str(ROOT), "&&"]
        assert remote[-1] == f"run.dir={tmp_path}/it's a $HOME"
        variables = dict(word.split("=", 1) for word in remote if word.startswith("TF_CONFIG="))
        task = task_from_environment(variables)
        assert task.address.startswith(f"{host}:")
        found.append(task.name)
    assert found == ["ps-0", "worker-0", "worker-1"]


def test_a_machine_with_several_workers_has_a_port_for_each(tmp_path: Path, training):
    (tmp_path / "hosts").write_text("chief a\nps b\nworker b slots=2\nworker c:7 slots=2\n")
    result = run(
        "launch_ssh.sh", *training, "--dry-run", "cluster.workers=4", env=ssh_environment(tmp_path)
    )
    assert (result.returncode, result.stderr) == (0, "")
    found = []
    for line in result.stdout.splitlines():
        *_, host, text = shlex.split(line)
        (word,) = [word for word in shlex.split(text) if word.startswith("TF_CONFIG=")]
        task = task_from_environment(dict([word.split("=", 1)]))
        assert task.address.startswith(f"{host}:")
        found.append((task.name, task.address))
    assert found == [
        ("chief-0", "a:2222"),
        ("ps-0", "b:2222"),
        ("worker-0", "b:2223"),
        ("worker-1", "b:2224"),
        ("worker-2", "c:7"),
        ("worker-3", "c:8"),
    ]


def test_a_machine_that_cannot_be_reached_is_named_before_anything_starts(tmp_path, training):
    (tmp_path / "hosts").write_text("chief 127.0.0.1\nps down\nworker down\nworker 127.0.0.2\n")
    result = run("launch_ssh.sh", *training, env=ssh_environment(tmp_path))
    check_one_line_mistake(result, "down cannot be used over ssh")
    assert "Connection refused" in result.stderr
    assert not (tmp_path / "logs").exists()


def test_another_configuration_on_a_machine_is_refused(tmp_path: Path, training):
    write_program(tmp_path / "bin" / "cksum", "#!/bin/sh\necho $PPID 7\n")
    result = run("launch_ssh.sh", *training, env=ssh_environment(tmp_path))
    assert result.returncode == 2
    for line in result.stderr.splitlines():
        assert f"{tmp_path}/tiny.yaml on " in line
        assert "copy it there" in line


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--directory", "FOLDER/missing"], "/missing"),
        (["--directory", "FOLDER"], "no dbsl_tf in it"),
        (["--chief", "host0"], "--chief host0"),
        (["--hosts", "FOLDER/missing/hosts"], "/missing/hosts"),
        (["cluster.workers=3"], "cluster.workers=3, but TF_CONFIG lists 2"),
        (["--hosts"], "--hosts needs a value"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, training, arguments, named):
    arguments = [argument.replace("FOLDER", str(tmp_path)) for argument in arguments]
    result = run("launch_ssh.sh", *training, *arguments, env=ssh_environment(tmp_path))
    assert result.returncode == 2
    assert result.stdout == ""
    for line in result.stderr.splitlines():
        assert line.startswith("error: ")
    assert named in result.stderr


@pytest.mark.parametrize("content", ["chief a b\n", "chief a\nps b\nworker\n", "boss a\n", ""])
def test_a_malformed_hosts_file_is_refused(tmp_path: Path, training, content):
    (tmp_path / "hosts").write_text(content)
    result = run("launch_ssh.sh", *training, env=ssh_environment(tmp_path))
    check_one_line_mistake(result, f"hosts file {tmp_path}/hosts")


def test_the_hosts_file_is_asked_for(tmp_path: Path):
    result = run("launch_ssh.sh", "--config", "a.yaml", env=ssh_environment(tmp_path))
    check_one_line_mistake(result, "--hosts")
