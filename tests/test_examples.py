"""Every program of examples/, on little data."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.launching import ROOT

EXAMPLES = ROOT / "examples"
NOTEBOOK = json.loads((EXAMPLES / "own_model.ipynb").read_text(encoding="utf-8"))


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "XDG_CACHE_HOME": str(folder / "cache"),
            **environment,
        },
        capture_output=True,
        text=True,
    )


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("own_model", "--time-model 2e-4 8e-3", r"\d+ of 40 test images are recognised"),
        ("own_data", "--files files", r"\d+\.\d% of the test images are recognised"),
        ("text_classifier", "", "superb: (praise|a complaint)"),
        ("tabular_regression", "", r"mean squared error: \d+\.\d\d"),
    ],
)
def test_it_trains(tmp_path: Path, name: str, options: str, expected: str) -> None:
    sizes = ["--samples", "200", "--epochs", "2", "--run-dir", "run"]
    result = run(tmp_path, str(EXAMPLES / f"{name}.py"), *sizes, *options.split())
    assert result.returncode == 0, result.stderr
    assert re.search(expected, result.stdout), result.stdout
    assert (tmp_path / "run" / "model.keras").exists()


@pytest.mark.cluster
@pytest.mark.slow
def test_the_cells_of_the_notebook(tmp_path: Path) -> None:
    """They run one after another in one process, whose source no file has."""
    cells = ["".join(c["source"]) for c in NOTEBOOK["cells"] if c["cell_type"] == "code"]
    (sizes,) = [cell for cell in cells if "epochs =" in cell]
    little = sizes.replace("samples = 1797", "samples = 200").replace("epochs = 10", "epochs = 2")
    assert little != sizes
    cells[cells.index(sizes)] = little
    program = f"cells = {cells!r}\nnames = {{'__name__': '__main__'}}\n"
    program += "for cell in cells:\n    exec(cell, names)\nprint(names['run'].history)"
    # As a kernel sets it.
    result = run(tmp_path, "-c", program, FORCE_COLOR="1")
    assert result.returncode == 0, result.stderr
    assert "\x1b" not in result.stdout
    assert len(re.findall("'val_loss': \\[.*?,.*?\\]", result.stdout)) == 1


def test_the_notebook_has_its_output() -> None:
    code = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    text = json.dumps([cell["outputs"] for cell in code])
    assert "test accuracy" in text and "image/png" in text
    assert "/home/" not in text and "/tmp/" not in text


def test_all_are_tested() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    for path in EXAMPLES.iterdir():
        if path.suffix in (".py", ".ipynb"):
            assert f'"{path.stem}"' in source or f'"{path.name}"' in source, path.name
