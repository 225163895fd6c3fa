"""All shell scripts: shellcheck has nothing to say, and they share their manners."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.support.launching import ROOT

SCRIPTS = sorted([*ROOT.glob("scripts/**/*.sh"), *ROOT.glob("scripts/*.sbatch")])
WITH_HELP = [
    *("launch_local.sh", "launch_ssh.sh", "slurm.sbatch", "until_eof.sh"),
    *("quickstart.sh", "test.sh"),
]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_accepts(script):
    shellcheck = Path(sysconfig.get_path("scripts")) / "shellcheck"
    result = subprocess.run([shellcheck, script], cwd=ROOT, capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_failing_command_ends_the_script(script):
    text = script.read_text()
    assert "set -euo pipefail" in text or "/environment.sh" in text or "/launching.sh" in text


@pytest.mark.parametrize("name", WITH_HELP)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_says_how_to_use_it(name, option, tmp_path):
    result = subprocess.run(
        ["bash", ROOT / "scripts" / name, option], cwd=tmp_path, capture_output=True, text=True
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("Usage: ")
    assert f"scripts/{name}" in result.stdout.splitlines()[0]
