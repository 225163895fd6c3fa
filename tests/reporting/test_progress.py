"""The learning rate over epochs and over time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dbsl_tf.reporting.comparison import group_runs
from dbsl_tf.reporting.curves import LEARNING_RATE, run_curves
from dbsl_tf.reporting.progress import progress_plot
from dbsl_tf.reporting.reading import read_run
from tests.support.run_directories import make_run

OPTIONS = ("schedule.epochs=6", "schedule.milestones=[2,4]")


def test_it_holds_until_it_changes(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "run", *OPTIONS).path)
    (curve,) = run_curves(run, LEARNING_RATE, "epoch")
    assert list(zip(curve.x, curve.y)) == [
        (0, pytest.approx(0.05)),
        (2, pytest.approx(0.05)),
        (2, pytest.approx(0.005)),
        (4, pytest.approx(0.005)),
        (4, pytest.approx(0.0005)),
        (6, pytest.approx(0.0005)),
    ]
    (over_time,) = run_curves(run, LEARNING_RATE, "time")
    assert over_time.y == curve.y
    assert over_time.x[0] == 0
    assert over_time.x[1] == min(m.begin for m in run.mini_epochs if m.epoch == 3)
    assert over_time.x[-1] == max(m.end for m in run.mini_epochs)


def test_roles_that_differ_have_a_curve_each(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "run", *OPTIONS).path)
    own = [replace(m, learning_rate=0.1 if m.role == "small" else 0.2) for m in run.mini_epochs]
    curves = run_curves(replace(run, mini_epochs=tuple(own)), LEARNING_RATE, "epoch")
    assert [(curve.label, set(curve.y)) for curve in curves] == [
        ("learning rate, small batches", {0.1}),
        ("learning rate, large batches", {0.2}),
    ]


def test_of_several_runs_each_has_its_own(tmp_path: Path) -> None:
    runs = [
        read_run(make_run(tmp_path / name, *OPTIONS, f"optimizer.base_lr={rate}").path)
        for name, rate in (("a", 0.1), ("b", 0.2))
    ]
    plot = progress_plot(group_runs(runs), LEARNING_RATE, "epoch")
    assert [curve.y[0] for curve in plot.curves] == pytest.approx([0.1, 0.2])
    assert (plot.y_label, plot.from_zero) == ("learning rate", True)
