"""Means and standard deviations over the seeds."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from dbsl_tf.sweeping.grid import Point, parse_axes, points
from dbsl_tf.sweeping.planned_run import PlannedRun, planned_runs
from dbsl_tf.sweeping.table import Row, print_rows, rows_as_json, rows_of
from tests.support.run_directories import CONFIG, make_run

ROWS = [
    Row(
        Point((("sync.mode", "bsp"),)),
        4,
        tuple(
            {"test_accuracy": accuracy, "test_loss": 1.5, "realised_extra_time_ratio": None}
            for accuracy in (0.90, 0.92, 0.97)
        ),
    ),
    Row(Point((("sync.mode", "asp"),)), 1, ({"test_accuracy": 0.5},)),
]


def finished_runs(output: Path, axes: list[str], seconds: dict[str, float]) -> list[PlannedRun]:
    """Planned runs; those that are named have finished after so many seconds."""
    runs = planned_runs(
        str(CONFIG), ["schedule.epochs=2"], points(parse_axes(axes)), [0, 1], output
    )
    for run in runs:
        if run.name in seconds:
            directory = make_run(run.directory.path, *run.arguments[2:])
            summary = directory.read_json(directory.summary)
            directory.write_json(directory.summary, {**summary, "wall_seconds": seconds[run.name]})
    return runs


class TestMeasuredRatio:
    def test_it_is_of_runs_with_the_same_seed(self, tmp_path: Path):
        small = "dual_batch.small_workers"
        seconds = {
            f"{small}=0 run.seed=0": 10.0,
            f"{small}=0 run.seed=1": 20.0,
            f"{small}=1 run.seed=0": 11.0,
            f"{small}=1 run.seed=1": 19.0,
        }
        rows = rows_of(finished_runs(tmp_path, [f"{small}=0,1"], seconds))
        assert rows[0].measured == (1.0, 1.0)
        assert rows[1].measured == pytest.approx((1.1, 0.95))
        found = rows_as_json(rows)[1]["measured_extra_time_ratio"]
        assert found["mean"] == pytest.approx(1.025)
        console = Console(file=io.StringIO(), width=140)
        print_rows(rows, console)
        printed = console.file.getvalue()
        assert "k estimated" in printed and "k realised" not in printed
        assert re.search(r"k measured.*│ 1\.025 ± 0\.106 │", printed, re.DOTALL)

    def test_what_is_for_small_workers_makes_no_other_baseline(self, tmp_path: Path):
        k, small = "dual_batch.extra_time_ratio", "dual_batch.small_workers"
        seconds = {
            f"{k}=1.05 {small}=0 run.seed=0": 10.0,
            f"{k}=1.1 {small}=0 run.seed=0": 14.0,
            f"{k}=1.1 {small}=1 run.seed=0": 18.0,
        }
        rows = rows_of(finished_runs(tmp_path, [f"{k}=1.05,1.1", f"{small}=0,1"], seconds))
        assert [row.measured for row in rows] == [
            pytest.approx((10 / 12,)),
            (),
            pytest.approx((14 / 12,)),
            pytest.approx((18 / 12,)),
        ]

    def test_without_a_baseline_there_is_none(self, tmp_path: Path):
        batch, small = "dual_batch.large_batch", "dual_batch.small_workers"
        seconds = {
            f"{batch}=64 {small}=0 run.seed=0": 10.0,
            f"{batch}=32 {small}=1 run.seed=0": 11.0,
            f"{batch}=64 {small}=1 run.seed=1": 11.0,
        }
        rows = rows_of(finished_runs(tmp_path, [f"{batch}=32,64", f"{small}=0,1"], seconds))
        assert [row.measured for row in rows] == [(), (), (1.0,), ()]
        console = Console(file=io.StringIO(), width=140)
        print_rows(rows[:2], console)
        assert "k measured" not in console.file.getvalue()
        assert rows_as_json(rows)[0]["measured_extra_time_ratio"] is None


class TestTable:
    def test_statistics(self):
        average, deviation = ROWS[0].statistics("test_accuracy")
        assert average == pytest.approx(0.93)
        assert deviation == pytest.approx((0.0026 / 2) ** 0.5)  # of a sample: by n - 1
        assert ROWS[1].statistics("test_accuracy") == (0.5, None)
        assert ROWS[0].statistics("realised_extra_time_ratio") is None
        assert ROWS[0].statistics("wall_seconds") is None
        assert rows_as_json(ROWS)[1]["test_accuracy"]["standard_deviation"] is None

    def test_what_is_printed(self):
        console = Console(file=io.StringIO(), width=120)
        print_rows(ROWS, console)
        lines = [line for line in console.file.getvalue().splitlines() if "│" in line]
        assert re.search(
            r"bsp +│ +3/4 +│ +93\.00 ± 3\.61 +│ 1\.5000 ± 0\.0000 │ +- +│ +- ", lines[0]
        )
        assert re.search(r"asp +│ +1/1 +│ +50\.00 │ +- +│", lines[1])

    def test_runs_without_accuracy(self):
        summaries = [
            {"test_accuracy": None, "test_loss": loss, "test_metrics": {"auc": auc}}
            for loss, auc in ((1.0, 0.5), (2.0, 0.75))
        ]
        rows = [Row(Point((("run.seed", "1"),)), 2, tuple(summaries)), Row(ROWS[1].point, 1, ())]
        console = Console(file=io.StringIO(), width=120)
        print_rows(rows, console)
        printed = console.file.getvalue()
        assert "accuracy" not in printed
        assert re.search(r"1\.5000 ± 0\.7071 .* 0\.625 ± 0\.1768", printed)
        table = rows_as_json(rows)
        assert table[0]["test_accuracy"] is None
        assert table[0]["test_metrics"]["auc"]["mean"] == 0.625
        assert table[1]["test_metrics"] == {"auc": None}
        assert "test_metrics" not in rows_as_json(ROWS)[0]
