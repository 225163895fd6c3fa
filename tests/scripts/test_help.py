"""Every script can be started, as a module or by its path."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(
    path.stem
    for path in (ROOT / "scripts").glob("*.py")
    if 'if __name__ == "__main__"' in path.read_text()
)


def _help(folder: Path, *program: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, *program, "--help"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_needs_nothing_but_the_script(script: str):
    done = _help(ROOT, "-m", f"scripts.{script}")
    assert (done.returncode, done.stderr) == (0, "")
    assert script in done.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_by_its_path_it_is_started_from_any_folder(script: str, tmp_path: Path):
    done = _help(tmp_path, str(ROOT / "scripts" / f"{script}.py"))
    assert (done.returncode, done.stderr) == (0, "")
    assert script in done.stdout
