"""`dbsl`, by the module that is the same command: what it says, and what it starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dbsl_tf import __version__
from dbsl_tf.cli.commands import COMMANDS
from tests.support.commands import check_one_line_mistake

ROOT = Path(__file__).parents[2]
# What holds for one command holds for the others: the fastest one is tried always.
EVERY_COMMAND = [
    pytest.param(name, marks=() if name == "plan" else pytest.mark.slow) for name in COMMANDS
]


def _dbsl(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dbsl_tf", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"},
        capture_output=True,
        text=True,
    )


def test_help_lists_every_command_in_a_line() -> None:
    result = _dbsl("--help")
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    for command in COMMANDS.values():
        assert any(line.split() == [command.name, *command.summary.split()] for line in lines)


def test_version() -> None:
    result = _dbsl("--version")
    assert (result.returncode, result.stdout) == (0, f"dbsl_tf {__version__}\n")


@pytest.mark.parametrize("name", EVERY_COMMAND)
def test_every_command_tells_the_version(name: str) -> None:
    result = _dbsl(name, "--version")
    assert (result.returncode, result.stdout) == (0, f"dbsl_tf {__version__}\n")


@pytest.mark.parametrize("name", EVERY_COMMAND)
def test_a_command_has_the_same_help_by_either_way(name: str) -> None:
    result = _dbsl(name, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"usage: python -m dbsl_tf.{name} ")
    assert COMMANDS[name].summary.split()[0] in result.stdout
    alone = subprocess.run(
        [sys.executable, "-m", f"dbsl_tf.{name}", "--help"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
    )
    assert alone.stdout == result.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), f"name a command: {', '.join(COMMANDS)}; as in python -m dbsl_tf.train --help"),
        (("trian",), "there is no command 'trian'; did you mean train? "),
        (("x",), "there is no command 'x'; the commands are train, run, serve, status, "),
        (("--quick",), "--quick; see python -m dbsl_tf --help"),
        (("plan",), "--config is missing"),
        (("plan", "--config", "none.yaml"), "none.yaml: no such configuration file"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(arguments: tuple[str, ...], expected: str) -> None:
    check_one_line_mistake(_dbsl(*arguments), expected)


LONG = "a" * 300


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("train", "--config", "quickstart.yaml", f"run.dir=@/{LONG}"), "File name too long"),
        (("report", f"@/{LONG}"), "File name too long"),
        (("evaluate", f"@/{LONG}"), "File name too long"),
        (("export", f"@/{LONG}", "--format", "keras"), "File name too long"),
        (("plan", "--config", f"@/{LONG}"), "File name too long"),
        (("plan", "--config", "@/folder.yaml", "data.dir=@/loop"), "data.dir is"),
        (("report", "@/loop"), "loop is not a run directory"),
        (("run", "@/loop"), "loop: there is no such file"),
    ],
)
def test_paths_that_cannot_be_are_one_line(
    arguments: tuple[str, ...], expected: str, tmp_path: Path
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder.yaml").write_text(FOLDER)
    arguments = tuple(argument.replace("@", str(tmp_path)) for argument in arguments)
    check_one_line_mistake(_dbsl(*arguments), expected)


FOLDER = """
data: {name: image_folder}
model: {name: resnet18}
dual_batch: {large_batch: 8}
time_model: {a: 0.001, b: 0.01}
schedule: {epochs: 1}
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_output_to_a_full_disk_is_one_line() -> None:
    command = [sys.executable, "-m", "dbsl_tf", "plan", "--config", "quickstart.yaml"]
    with open("/dev/full", "w") as full:
        result = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True)
    line = "error: output cannot be written: No space left on device; free some space\n"
    assert (result.returncode, result.stderr) == (2, line)


def test_output_that_is_closed_harms_nothing() -> None:
    command = f"exec {sys.executable} -m dbsl_tf plan --config quickstart.yaml >&-"
    result = subprocess.run(["bash", "-c", command], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_arguments_after_the_command_are_its_own() -> None:
    result = _dbsl("plan", "--config", "configs/cifar100_compsac.yaml", "--json", "run.seed=3")
    assert (result.returncode, result.stdout[:1]) == (0, "{")
