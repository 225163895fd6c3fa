"""The comparison of single convolutions."""

from __future__ import annotations

import subprocess
import sys

import pytest

from scripts.benchmarking import convolutions
from tests.support.commands import ROOT
from tests.support.patience import at_most


def test_both_are_timed() -> None:
    command = [sys.executable, "-m", "scripts.benchmarking.convolutions", "2x4x3", "1x8x2"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=at_most(20))
    assert run.returncode == 0, run.stderr
    header, *rows = (line.split() for line in run.stdout.splitlines())
    assert header == ["case", "direct", "Winograd", "ratio"]
    assert [row[0] for row in rows] == ["2x4x3", "1x8x2"]
    assert all(float(number) >= 0 for row in rows for number in row[1:])


@pytest.mark.parametrize("case", ["32x8", "0x8x8", "ax8x8", "1x2x3x4"])
def test_other_cases_are_refused(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        convolutions.main([case])
    assert refused.value.code == 2
    assert f"'{case}' is not three whole numbers" in capsys.readouterr().err
