"""The commands as a person runs them, and what they promise about mistakes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run_command(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The result of `python -m dbsl_tf.NAME` in the project's folder."""
    return subprocess.run(
        [sys.executable, "-m", f"dbsl_tf.{name}", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def check_one_line_mistake(result: subprocess.CompletedProcess[str], expected: str) -> None:
    """The command answered a mistake with one line that contains `expected`, and status 2."""
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert expected in result.stderr
