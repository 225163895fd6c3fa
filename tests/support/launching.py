"""What the tests of the launchers share: a training of seconds, and programs put first on PATH."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.patience import wait_until

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = """
data: {name: digits, train_samples: 300, augment: []}
model: {name: resnet8}
cluster: {workers: 2, parameter_servers: 1}
dual_batch: {small_workers: 1, large_batch: 50, extra_time_ratio: 1.1}
time_model: {a: 0.001, b: 0.01}
schedule: {epochs: 1}
"""


def write_program(path: Path, text: str) -> None:
    """Write an executable file, and the folders it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """This process's environment with `folder`/bin first on PATH and a cache in `folder`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SLURM")}
    return {
        **kept,
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(folder / "cache"),
        **variables,
    }


def start(launcher: str, *arguments: str, env: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start a script of `scripts/` with the Python of the tests."""
    return subprocess.Popen(
        ["bash", str(ROOT / "scripts" / launcher), *arguments, "--python", sys.executable],
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(launcher: str, *arguments: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a script of `scripts/` to its end."""
    process = start(launcher, *arguments, env=env)
    try:
        output, errors = process.communicate()
    finally:
        process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def warnings(errors: str) -> list[str]:
    """The lines of standard error but those of processes that wait for others to prepare data."""
    return [line for line in errors.splitlines() if not line.startswith("Waiting for another")]


def processes_with(text: str) -> list[str]:
    """Command lines of the running processes in which `text` occurs."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if text in command:
            found.append(command)
    return found


def wait_until_gone(folder: Path) -> None:
    """Wait until no process is left whose command line names `folder`."""
    wait_until(lambda: not processes_with(str(folder)), 2)
