from __future__ import annotations

from pathlib import Path

from dbsl_tf.planning import PlanRequest, TimeModel
from dbsl_tf.planning.sweep import sweep
from dbsl_tf.planning.sweep_plot import plot_sweep

CELLS = sweep(PlanRequest(TimeModel(0.001, 0.02), 5000, 2, 1, 100, "nearest"), (1.05, 1.1, 9))


def test_a_picture_names_every_line_and_unit(tmp_path: Path, monkeypatch) -> None:
    import matplotlib

    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "none")
    plot_sweep(CELLS, tmp_path / "sweep.svg")
    text = (tmp_path / "sweep.svg").read_text()
    assert "(samples)" in text
    assert "(%)" in text
    for small_workers in (1, 2):
        assert f"$n_S$ = {small_workers}" in text
