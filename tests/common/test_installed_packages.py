"""Files with the names of modules that commands need, in PYTHONPATH or the working directory."""

from __future__ import annotations

import doctest
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from dbsl_tf.common import installed_packages
from dbsl_tf.common.installed_packages import _PACKAGES
from tests.support.launching import CONFIGURATION, ROOT

# Python loads these before the first line of a command.
LOADED = "import runpy, sys; print(*sys.modules)"
CONFIG = """
data: {name: digits}
model: {name: resnet8}
dual_batch: {large_batch: 50}
time_model: {a: 0.001, b: 0.01}
schedule: {epochs: 1}
"""


@pytest.fixture
def shadows(tmp_path: Path) -> Path:
    """A folder with a file of the name of every module that a command could need."""
    loaded = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True).stdout
    folder = tmp_path / "shadows"
    folder.mkdir()
    # Others are of Python on other systems.
    present = filter(importlib.util.find_spec, sys.stdlib_module_names - {"__main__"})
    for name in {*present, *_PACKAGES} - {*loaded.split(), "__future__"}:
        (folder / f"{name}.py").write_text(f"raise ImportError('another {name}')\n")
    assert (folder / "random.py").exists() and (folder / "rich.py").exists()
    return folder


def dbsl(folder: Path, cwd: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    """Exit status and errors of a command, with its cache in `folder`."""
    result = subprocess.run(
        [sys.executable, "-m", "dbsl_tf", *arguments],
        cwd=cwd,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), **variables},
        capture_output=True,
        text=True,
    )
    return result.returncode, result.stderr


@pytest.mark.parametrize("in_the_working_directory", [True, False])
def test_they_are_not_imported(
    shadows: Path, tmp_path: Path, in_the_working_directory: bool
) -> None:
    (tmp_path / "own.yaml").write_text(CONFIG)
    path = [str(ROOT)] if in_the_working_directory else [str(shadows), str(ROOT)]
    cwd = shadows if in_the_working_directory else tmp_path
    plan = ("plan", "--config", str(tmp_path / "own.yaml"))
    assert dbsl(tmp_path, cwd, *plan, PYTHONPATH=os.pathsep.join(path)) == (0, "")


@pytest.mark.cluster
@pytest.mark.slow
def test_they_are_not_imported_in_any_process_of_a_run(shadows: Path, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(CONFIGURATION)
    train = ("train", "--config", str(tmp_path / "own.yaml"), "cluster.isolation=off")
    path = os.pathsep.join([str(shadows), str(ROOT)])
    run = tmp_path / "run"
    result = dbsl(tmp_path, shadows, *train, f"run.dir={run}", PYTHONPATH=path)
    assert result == (0, "")
    assert (run / "model.keras").exists()


@pytest.mark.slow
def test_modules_of_a_user_are_still_found(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def build(classes, **_):\n    raise SystemExit('found')\n")
    (tmp_path / "own.yaml").write_text(CONFIG.replace("resnet8", "mine:missing"))
    status, errors = dbsl(tmp_path, tmp_path, "train", "--config", "own.yaml", PYTHONPATH=str(ROOT))
    assert status == 2 and "mine has no missing" in errors


def test_other_programs_import_what_they_would(tmp_path: Path) -> None:
    (tmp_path / "statistics.py").write_text("NUMBER = 7\n")
    (tmp_path / "program.py").write_text("import dbsl_tf, statistics; print(statistics.NUMBER)")
    result = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (result.stdout, result.stderr) == ("7\n", "")


def test_examples() -> None:
    results = doctest.testmod(installed_packages)
    assert results.attempted and not results.failed


def test_every_package_that_the_requirements_install_is_known() -> None:
    missing = sorted(set(installed_modules()) - _PACKAGES)
    assert missing == []


def installed_modules() -> Iterator[str]:
    """The modules and packages, by what the installed requirements say they contain."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pending = [text for line in lines if (text := line.partition("#")[0].strip())]
    seen = set()
    while pending:
        requirement = Requirement(pending.pop())
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if not wanted or requirement.name in seen:
            continue
        seen.add(requirement.name)
        distribution = importlib.metadata.distribution(requirement.name)
        pending += distribution.requires or []
        for file in distribution.files or []:
            # A package installed the old way lists the files it was made of, too.
            installed = Path(str(file.locate())).exists()
            if installed and file.suffix in (".py", ".so") and file.parts[0] != "..":
                name = file.parts[0].partition(".")[0]
                # What no program imports.
                if name != "_distutils_hack" and not file.parts[0].endswith(".libs"):
                    yield name
