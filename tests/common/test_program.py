"""How commands are named to people, and how processes are started from any folder."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from dbsl_tf.common.program import STARTED_BY, command_line, python_module, typed

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (ROOT / "dbsl_tf" / "plan.py", "python -m dbsl_tf.profile"),
        (Path("/usr/bin/dbsl"), "dbsl profile"),
    ],
)
def test_a_command_is_named_as_this_process_was_started(program, expected, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(program), "--json"])
    assert typed("profile") == expected
    assert typed() == expected.removesuffix("profile").rstrip(" .")


def test_arguments_are_quoted_as_a_shell_needs_it(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/dbsl"])
    words = ["--config", "my run/config.yaml", "run.dir=it's #1", "run.seed=3"]
    assert shlex.split(typed("train", *words)) == ["dbsl", "train", *words]
    assert typed("train", "run.seed=3") == "dbsl train run.seed=3"


def test_the_command_line_is_that_of_a_person(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/dbsl", "train", "a=it's"])
    assert shlex.split(command_line()) == ["dbsl", "train", "a=it's"]
    monkeypatch.setattr(sys, "argv", ["my program.py"])
    monkeypatch.setattr(sys, "orig_argv", ["python3", "my program.py", "--epochs", "3"])
    assert command_line() == "python3 'my program.py' --epochs 3"
    monkeypatch.setenv(STARTED_BY, "python3 train.py")
    assert command_line() == "python3 train.py"


def test_modules_of_the_working_directory_are_found_only_in_the_project(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert python_module("dbsl_tf.export") == [sys.executable, "-m", "dbsl_tf.export"]
    monkeypatch.chdir(tmp_path)
    assert python_module("dbsl_tf.export") == [sys.executable, "-P", "-m", "dbsl_tf.export"]
