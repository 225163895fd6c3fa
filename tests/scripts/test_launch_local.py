"""scripts/launch_local.sh: real processes, and none of them left behind."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from dbsl_tf.cluster.task import task_from_environment
from tests.support.commands import check_one_line_mistake
from tests.support.launching import (
    CONFIGURATION,
    environment,
    run,
    start,
    wait_until_gone,
    warnings,
)
from tests.support.patience import at_most, wait_until


@pytest.fixture
def training(tmp_path: Path) -> list[str]:
    """Arguments for a training whose processes all have `tmp_path` in their command lines."""
    (tmp_path / "tiny.yaml").write_text(CONFIGURATION)
    return [
        "--config",
        f"{tmp_path}/tiny.yaml",
        "--logs",
        f"{tmp_path}/logs",
        f"run.dir={tmp_path}/run",
    ]


def test_a_dry_run_prints_a_command_for_every_process(tmp_path: Path, training):
    result = run(
        *("launch_local.sh", *training, "--dry-run", "--port", "3000", "cluster.workers=3"),
        env=environment(tmp_path),
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert not (tmp_path / "logs").exists()
    names = []
    for line in result.stdout.splitlines():
        words = shlex.split(line)
        assert words[0] == "env"
        variables = dict(word.split("=", 1) for word in words[1 : words.index("-m") - 1])
        task = task_from_environment(variables)
        names.append((task.name, task.address))
        assert words[-2:] == [f"run.dir={tmp_path}/run", "cluster.workers=3"]
    assert names == [
        ("chief-0", "127.0.0.1:3000"),
        ("ps-0", "127.0.0.1:3001"),
        ("worker-0", "127.0.0.1:3002"),
        ("worker-1", "127.0.0.1:3003"),
        ("worker-2", "127.0.0.1:3004"),
    ]


def test_a_name_is_that_of_a_configuration_of_the_project(tmp_path: Path):
    result = run(
        "launch_local.sh", "--config", "quickstart.yaml", "--dry-run", env=environment(tmp_path)
    )
    assert result.returncode == 0, result.stderr
    for line in result.stdout.splitlines():
        words = shlex.split(line)
        assert words[words.index("--config") + 1] == "configs/quickstart.yaml"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "--config"),
        (["--config"], "--config needs a value"),
        (["--config", "/proc/nowhere.yaml"], "/proc/nowhere.yaml"),
        (["--config", "configs/quickstart.yaml", "--workers", "2"], "--workers"),
        (["--config", "configs/quickstart.yaml", "train"], "'train'"),
        (["--config", "configs/quickstart.yaml", "cluster.workers=0"], "cluster.workers"),
        (["--config", "configs/quickstart.yaml", "--port", "a"], "'a'"),
    ],
)
def test_a_mistake_is_named_in_one_line(tmp_path: Path, arguments, named):
    check_one_line_mistake(run("launch_local.sh", *arguments, env=environment(tmp_path)), named)


@pytest.mark.cluster
@pytest.mark.slow
def test_it_trains_and_leaves_no_process(tmp_path: Path, training):
    result = run("launch_local.sh", *training, env=environment(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "test accuracy" in result.stdout
    (warning,) = warnings(result.stderr)
    assert "ports" in warning and "firewall" in warning
    history = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").open()]
    assert [line["commit"] for line in history if line["event"] == "commit"] == [1, 2]
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {
        "ps-0.log",
        "worker-0.log",
        "worker-1.log",
    }
    wait_until_gone(tmp_path)


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_signal_ends_everything(tmp_path: Path, training, sent):
    env = environment(tmp_path)
    process = start("launch_local.sh", *training, "schedule.epochs=1000", env=env)
    try:
        history = tmp_path / "run" / "history.jsonl"
        wait_until(
            lambda: history.exists() and history.stat().st_size > 0,
            20,
            alive=lambda: process.poll() is None,
        )
        os.kill(process.pid, sent)
        process.wait()
        wait_until_gone(tmp_path)
    finally:
        process.kill()
    output, errors = process.communicate()
    # The chief was interrupted as by Ctrl-C.
    assert process.returncode == (-signal.SIGKILL if sent == signal.SIGKILL else 130)
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert "ended with" not in errors


@contextmanager
def port_after_two_free_ones() -> Iterator[int]:
    """A port that is taken, and that follows two that are free."""
    while True:
        with ExitStack() as stack:
            holder, *before = (stack.enter_context(socket.socket()) for _ in range(3))
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            port = holder.getsockname()[1]
            try:
                for number, each in enumerate(before, start=1):
                    each.bind(("127.0.0.1", port - number))
            except OSError:
                continue
            for each in before:
                each.close()
            yield port
            return


@pytest.mark.cluster
@pytest.mark.slow
def test_a_server_that_cannot_start_is_named(tmp_path: Path, training):
    with port_after_two_free_ones() as port:
        # As long as the worker may need to start.
        timeout = f"cluster.connect_timeout={at_most(2)}"
        ports = ["--port", str(port - 2)]
        result = run("launch_local.sh", *training, *ports, timeout, env=environment(tmp_path))
    assert result.returncode == 2
    assert f"worker-0 ended with status 2: error: worker-0 cannot listen on port {port}" in (
        result.stderr
    )
    assert f"worker-0 at 127.0.0.1:{port} cannot be reached" in result.stderr
    wait_until_gone(tmp_path)
