"""What the commands promise about mistakes."""

from __future__ import annotations

import subprocess


def check_one_line_mistake(result: subprocess.CompletedProcess[str], expected: str) -> None:
    """The command answered a mistake with one line that contains `expected`, and status 2."""
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert expected in result.stderr
