from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_both_drawings_are_svg_and_come_out_the_same_again(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        command = [sys.executable, "-m", "scripts.draw_method", "--output", str(tmp_path / folder)]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    for name in ("dual_batch.svg", "hybrid.svg"):
        drawing = (tmp_path / "one" / name).read_text()
        assert ElementTree.fromstring(drawing).tag == "{http://www.w3.org/2000/svg}svg"
        assert drawing == (tmp_path / "two" / name).read_text()
