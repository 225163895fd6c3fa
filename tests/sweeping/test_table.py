"""Means and standard deviations over the seeds."""

from __future__ import annotations

import io
import unittest

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


class TableTest(unittest.TestCase):
    def test_statistics(self):
        average, deviation = ROWS[0].statistics("test_accuracy")
        self.assertAlmostEqual(average, 0.93)
        self.assertAlmostEqual(deviation, (0.0026 / 2) ** 0.5)  # of a sample: by n - 1
        self.assertEqual(ROWS[1].statistics("test_accuracy"), (0.5, None))
        self.assertIsNone(ROWS[0].statistics("realised_extra_time_ratio"))
        self.assertIsNone(ROWS[0].statistics("wall_seconds"))
        self.assertEqual(rows_as_json(ROWS)[1]["test_accuracy"]["standard_deviation"], None)

    def test_what_is_printed(self):
        console = Console(file=io.StringIO(), width=120)
        print_rows(ROWS, console)
        lines = [line for line in console.file.getvalue().splitlines() if "│" in line]
        self.assertRegex(
            lines[0], r"bsp +│ +3/4 +│ +93\.00 ± 3\.61 +│ 1\.5000 ± 0\.0000 │ +- +│ +- "
        )
        self.assertRegex(lines[1], r"asp +│ +1/1 +│ +50\.00 │ +- +│")


if __name__ == "__main__":
    unittest.main()
