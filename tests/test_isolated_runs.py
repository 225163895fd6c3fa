"""Who can connect to a run on this machine: the real command, seen from outside and inside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from dbsl_tf.cluster.namespaces import SETTLED
from dbsl_tf.common.cores import available_cores
from dbsl_tf.data.prepare import prepare
from tests.support.networks import (
    answers,
    answers_inside,
    become_plain_user,
    become_plain_user_without_namespaces,
    listening_ports,
    network_of,
    own_addresses,
    ports_of_others,
    skip_without_namespaces,
)
from tests.support.patience import wait_until

ROOT = Path(__file__).resolve().parents[1]
CONFIGURATION = """
data: {name: digits, train_samples: 300, augment: []}
model: {name: resnet8}
cluster: {workers: 2, parameter_servers: 1}
dual_batch: {small_workers: 1, large_batch: 50, extra_time_ratio: 1.1}
time_model: {a: 0.001, b: 0.01}
schedule: {epochs: 1000}
"""
TRAIN, PROFILE = "dbsl_tf.train", "dbsl_tf.profile"


@pytest.fixture(autouse=True)
def _namespaces() -> None:
    skip_without_namespaces()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(CONFIGURATION)
    return path


@contextmanager
def running(
    module: str, config: Path, *overrides: str, before=lambda: None
) -> Iterator[subprocess.Popen]:
    """The command as started by a user whose cache is in the folder of `config`."""

    with ExitStack() as stack:
        process = subprocess.Popen(
            [sys.executable, "-m", module, "--config", str(config), *overrides],
            cwd=ROOT,
            env={**os.environ, "XDG_CACHE_HOME": str(config.parent / "cache"), "TF_CONFIG": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=before,
        )
        stack.callback(process.communicate)
        stack.callback(process.kill)
        yield process


def servers_of(process: subprocess.Popen) -> dict[str, int]:
    """The process numbers of the servers that `process` started, by the names of their logs."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    found = {}
    for child in children:
        # Some are no servers, and end at once.
        with suppress(OSError):
            output = Path(os.readlink(f"/proc/{child}/fd/1"))
            if output.suffix == ".log":
                found[output.stem] = int(child)
    return found


def wait_for(condition, process: subprocess.Popen) -> None:
    """Wait for something to happen while a run goes on."""
    try:
        wait_until(condition, 20, alive=lambda: process.poll() is None)
    except AssertionError as error:
        process.kill()
        pytest.fail(f"the run ended or hung: {error}: {process.communicate()}")


def doors(process: subprocess.Popen) -> list[tuple[int, int]]:
    """Each process of the run, the coordinator first, with each port it listens on."""
    pids = [process.pid, *servers_of(process).values()]
    ports = {pid: listening_ports(pid) for pid in pids}
    assert all(ports.values()), ports
    return [(pid, port) for pid in pids for port in ports[pid]]


def open_from_outside(process: subprocess.Popen) -> set[tuple[str, int]]:
    """The addresses of the run's servers that can be reached from this network."""
    found = doors(process)
    # Other servers may by chance have the same ports in this network.
    ports = {port for _, port in found} - ports_of_others({pid for pid, _ in found})
    return {
        (address, port) for port in ports for address in own_addresses() if answers(address, port)
    }


def wait_for_commits(process: subprocess.Popen, run: Path) -> None:
    history = run / "history.jsonl"
    wait_for(lambda: history.exists() and history.stat().st_size > 0, process)
    assert set(servers_of(process)) == {"ps-0", "worker-0", "worker-1"}


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("before", "data_is_there", "ending", "status"),
    [
        pytest.param(lambda: None, False, signal.SIGINT, 130, id="this-user"),
        pytest.param(
            become_plain_user, True, signal.SIGKILL, -9, id="plain-user", marks=pytest.mark.slow
        ),
    ],
)
def test_nobody_outside_can_connect(
    before, data_is_there: bool, ending: int, status: int, config: Path, tmp_path: Path
) -> None:
    if data_is_there:
        prepare("digits", tmp_path / "cache" / "dbsl_tf")
    run = tmp_path / "run"
    with running(TRAIN, config, f"run.dir={run}", before=before) as process:
        wait_for_commits(process, run)
        servers = servers_of(process)
        began_with = Path(f"/proc/{process.pid}/environ").read_text()
        assert (SETTLED in began_with) == (not data_is_there), "started again only to make data"
        assert open_from_outside(process) == set()
        for pid, port in doors(process):
            assert network_of(pid) != network_of(os.getpid())
            assert answers_inside(pid, port)
        if len(available_cores()) >= 2:
            own = [os.sched_getaffinity(servers[name]) for name in ("worker-0", "worker-1")]
            assert not own[0] & own[1]
        process.send_signal(ending)
        _, errors = process.communicate()
        assert process.returncode == status
        assert errors == ("interrupted\n" if ending == signal.SIGINT else "")
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in servers.values()), 1)
    assert (run / "history.jsonl").stat().st_uid == os.getuid()


@pytest.mark.cluster
@pytest.mark.slow
def test_without_isolation_every_address_answers(config: Path, tmp_path: Path) -> None:
    """What isolation is for, and that the attempts of the other tests could succeed."""
    run = tmp_path / "run"
    with running(TRAIN, config, f"run.dir={run}", "cluster.isolation=off") as process:
        wait_for_commits(process, run)
        found = doors(process)
        assert {network_of(pid) for pid, _ in found} == {network_of(os.getpid())}
        everything = {(address, port) for _, port in found for address in own_addresses()}
        assert open_from_outside(process) == everything
        process.send_signal(signal.SIGINT)
        assert process.communicate()[1] == "interrupted\n"


@pytest.mark.cluster
@pytest.mark.slow
def test_profiling_is_isolated_too(config: Path, tmp_path: Path) -> None:
    output = f"--output={tmp_path / 'profile.json'}"
    with running(PROFILE, config, output, before=become_plain_user) as process:
        wait_for(lambda: "worker-1" in servers_of(process), process)
        wait_for(lambda: all(map(listening_ports, servers_of(process).values())), process)
        wait_for(lambda: listening_ports(process.pid), process)
        assert open_from_outside(process) == set()
        assert all(answers_inside(pid, port) for pid, port in doors(process))
        process.send_signal(signal.SIGINT)
        assert process.communicate()[1] == "interrupted\n"
        assert process.returncode == 130


@pytest.mark.cluster
@pytest.mark.slow
def test_a_system_that_refuses_is_warned_of_once(config: Path, tmp_path: Path) -> None:
    run = [f"run.dir={tmp_path / 'run'}", "schedule.epochs=1", "data.train_samples=200"]
    refused = become_plain_user_without_namespaces
    with running(TRAIN, config, *run, before=refused) as process:
        _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert errors.count("\n") == 1
    assert errors.startswith("warning: ")
    assert "user.max_user_namespaces=0" in errors
    assert "firewall" in errors
    assert (tmp_path / "run" / "summary.json").exists()


def test_a_run_that_requires_isolation_does_not_go_without(config: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    overrides = [f"run.dir={run}", "cluster.isolation=require"]
    refused = become_plain_user_without_namespaces
    with running(TRAIN, config, *overrides, before=refused) as process:
        output, errors = process.communicate()
    assert (process.returncode, output, errors.count("\n")) == (2, "", 1)
    assert errors.startswith("error: cluster.isolation=require")
    assert not run.exists()


def test_threads_that_python_starts_with_are_a_refusal(
    config: Path, tmp_path: Path, monkeypatch
) -> None:
    """As with some debuggers: starting the command again is of no use, and done once."""
    customization = "import threading, time\n"
    customization += "threading.Thread(target=time.sleep, args=[60], daemon=True).start()\n"
    (tmp_path / "sitecustomize.py").write_text(customization)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with running(TRAIN, config, "cluster.isolation=require") as process:
        _, errors = process.communicate()
    assert (process.returncode, errors.count("\n")) == (2, 1)
    assert "other threads run in this process" in errors


def test_nothing_starts_a_thread_before_the_isolation(config: Path, tmp_path: Path) -> None:
    """Else every run would be started twice."""
    prepare("digits", tmp_path)
    program = f"""
import dbsl_tf.cli.profile
import dbsl_tf.cli.train
from dbsl_tf.cluster.namespaces import has_threads, usable_way
from dbsl_tf.config import load_config
from dbsl_tf.data.configured import prepare_missing
configuration = load_config({str(config)!r}, ["data.dir={tmp_path}"])
usable_way()
prepare_missing(configuration.data)
print(has_threads())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("False\n", "")
