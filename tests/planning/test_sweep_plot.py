from __future__ import annotations

from pathlib import Path

import pytest

from dbsl_tf.errors import UserError
from dbsl_tf.planning import Demand, TimeModel
from dbsl_tf.planning.sweep import sweep
from dbsl_tf.planning.sweep_plot import plot_sweep

CELLS = sweep(Demand(TimeModel(0.001, 0.02), 5000, 2, 1, 100, "nearest"), (1.05, 1.1, 9))


@pytest.mark.parametrize(
    ("suffix", "beginning"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")]
)
def test_the_name_chooses_the_format(tmp_path: Path, suffix: str, beginning: bytes) -> None:
    path = tmp_path / f"sweep{suffix}"
    plot_sweep(CELLS, path)
    assert path.read_bytes().startswith(beginning)


def test_a_picture_names_every_line_and_unit(tmp_path: Path, monkeypatch) -> None:
    import matplotlib

    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "none")
    plot_sweep(CELLS, tmp_path / "sweep.svg")
    text = (tmp_path / "sweep.svg").read_text()
    assert "(samples)" in text
    assert "(%)" in text
    for small_workers in (1, 2):
        assert f"$n_S$ = {small_workers}" in text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sweep.gif", ".png, .svg, .pdf"),
        ("sweep", ".png, .svg, .pdf"),
        ("none/sweep.png", "no folder"),
        ("folder.png", "cannot be written"),
    ],
)
def test_a_file_that_cannot_be_drawn(tmp_path: Path, name: str, expected: str) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UserError, match=f"--plot is .*{expected}"):
        plot_sweep(CELLS, tmp_path / name)
