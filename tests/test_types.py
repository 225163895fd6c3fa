"""The types of dbsl_tf and scripts hold together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_type_checker_finds_nothing() -> None:
    """As `python -m mypy` does in the project's folder; pyproject.toml says how strictly."""
    found = subprocess.run(
        [sys.executable, "-m", "mypy"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout + found.stderr
