"""The command that runs a program of a user's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import check_one_line_mistake
from tests.support.launching import ROOT

PROGRAM = """
import sys
from beside import NAME
from dbsl_tf.common.errors import ClusterError, UserError

if __name__ == "__main__":
    print(NAME, sys.argv[1:])
    if "user" in sys.argv:
        raise UserError("epochs is 0;\\ngive 1 or more")
    if "cluster" in sys.argv:
        raise ClusterError("it was lost")
    if "exit" in sys.argv:
        sys.exit(7)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("NAME = 'beside'\n")
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dbsl_tf.run", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def test_it_gets_its_arguments_and_finds_what_lies_beside_it(program: Path) -> None:
    result = run(str(program), "--epochs", "3")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "beside ['--epochs', '3']\n"


@pytest.mark.parametrize(
    ("argument", "status", "errors"),
    [
        ("user", 2, "error: epochs is 0; give 1 or more\n"),
        ("cluster", 1, "error: it was lost\n"),
        ("exit", 7, ""),
    ],
)
def test_how_it_ends(program: Path, argument: str, status: int, errors: str) -> None:
    result = run(str(program), argument)
    assert (result.returncode, result.stderr) == (status, errors)


def test_a_program_that_is_not_there() -> None:
    check_one_line_mistake(run("nowhere.py"), "nowhere.py: there is no such file")
