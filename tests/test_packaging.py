"""The package as it is installed: what is in it, its command, and what is pinned."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dbsl_tf import __version__
from dbsl_tf.cli.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("pyproject.toml", "setup.py", "README.md", "requirements.txt", "dbsl_tf", "configs")
SHORT = ("schedule.epochs=1", "schedule.milestones=[]", "data.train_samples=200")


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder in which the package is installed as by `pip install .`, without what it needs."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    for name in PARTS:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    alone = ["--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*pip, *alone, "--target", target, source], check=True, cwd=source)
    return target


def _dbsl(
    installed: Path, folder: Path, *arguments: object, **variables: str
) -> subprocess.CompletedProcess[str]:
    """The installed command in a folder with modules that must not be taken for others."""
    for name in ("random", "numpy", "dbsl_tf"):
        (folder / f"{name}.py").write_text("raise SystemExit('a module of the user')\n")
    return subprocess.run(
        [installed / "bin" / "dbsl", *map(str, arguments)],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(installed),
            **variables,
        },
        capture_output=True,
        text=True,
    )


def test_every_file_is_installed(installed: Path) -> None:
    expected = {
        file.relative_to(ROOT)
        for file in (ROOT / "dbsl_tf").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    expected |= {Path("dbsl_tf") / file.relative_to(ROOT) for file in ROOT.glob("configs/*")}
    found = {
        file.relative_to(installed)
        for file in (installed / "dbsl_tf").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert found == expected
    # No test, script or configuration lies beside the package.
    others = {path.name for path in installed.iterdir()} - {"dbsl_tf", "bin"}
    assert others == {f"dbsl_tf-{__version__}.dist-info"}


@pytest.mark.slow
def test_its_command_has_the_name_dbsl(installed: Path, tmp_path: Path) -> None:
    result = _dbsl(installed, tmp_path, "--version")
    assert (result.returncode, result.stdout) == (0, f"dbsl_tf {__version__}\n")
    result = _dbsl(installed, tmp_path, "--help")
    assert all(f"  {name} " in result.stdout for name in COMMANDS)
    result = _dbsl(installed, tmp_path, "plan", "--help")
    assert result.stdout.startswith("usage: dbsl plan ")


def test_the_configurations_are_found_by_name(installed: Path, tmp_path: Path) -> None:
    result = _dbsl(installed, tmp_path, "plan", "--config", "quickstart.yaml", "--json")
    assert (result.returncode, result.stdout[:1]) == (0, "{"), result.stderr
    result = _dbsl(installed, tmp_path, "plan", "--config", "none.yaml")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "cifar10_small.yaml" in result.stderr


@pytest.mark.cluster
@pytest.mark.slow
def test_it_trains_and_reports_in_any_folder(installed: Path, tmp_path: Path) -> None:
    """All processes that it starts are of the installed package."""
    result = _dbsl(installed, tmp_path, "train", "--config", "quickstart.yaml", *SHORT)
    assert result.returncode == 0, result.stderr
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name.startswith("quickstart-")
    assert (run / "model.keras").exists()
    result = _dbsl(installed, tmp_path, "report", run)
    assert (result.returncode, result.stdout) == (0, f"{run / 'report.html'}\n"), result.stderr


def _pinned(name: str) -> dict[str, str]:
    """The versions in a file of requirements, by package."""
    found = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / name).read_text("utf-8"), re.MULTILINE)
    return {canonicalize_name(package): pinned for package, pinned in found}


def test_what_comes_with_the_requirements_is_pinned() -> None:
    """All of it, and nothing else, at the versions with which the tests run."""
    direct, constraints = _pinned("requirements.txt"), _pinned("constraints.txt")
    needed: set[tuple[str, frozenset[str]]] = set()
    waiting = [(name, frozenset[str]()) for name in direct]
    while waiting:
        name, extras = package = waiting.pop()
        if package in needed:
            continue
        needed.add(package)
        for further in map(Requirement, requires(name) or []):
            marker = further.marker
            if marker is None or any(marker.evaluate({"extra": each}) for each in extras or {""}):
                waiting.append((canonicalize_name(further.name), frozenset(further.extras)))
    assert {name for name, _ in needed} - set(direct) == set(constraints)
    for name, pinned in constraints.items():
        assert version(name) == pinned, name
