"""Means and standard deviations over the seeds."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from dbsl_tf.sweeping.grid import Point
from dbsl_tf.sweeping.table import Row, print_rows, rows_as_json

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
