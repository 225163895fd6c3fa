from __future__ import annotations

import io

from rich.console import Console

from dbsl_tf.planning import PlanRequest, TimeModel
from dbsl_tf.planning.sweep import sweep
from dbsl_tf.planning.sweep_report import print_sweep

REQUEST = PlanRequest(TimeModel(0.00056607, 0.014041204118283607), 50_000, 4, 3, 500, "floor")


def _rows(width: int) -> tuple[str, list[list[str]]]:
    stream = io.StringIO()
    print_sweep(sweep(REQUEST, (1.05, 1.4)), 3, Console(file=stream, width=width))
    text = stream.getvalue()
    lines = [line.strip("│").split("│") for line in text.splitlines() if line.startswith("│")]
    return text, [[cell.strip() for cell in line] for line in lines]


def test_a_row_for_every_cell() -> None:
    text, rows = _rows(80)
    assert rows[0] == ["1", "1.05", "83", "0.810", "21.2%", "7.826", "1.054"]
    assert rows[1][:3] == ["", "1.4", "no B_S: k ≤ 1.3155"]
    assert [row[0] for row in rows] == ["1", "", "2", "", "3", "", "4", ""]
    assert max(map(len, text.splitlines())) <= 80


def test_it_ends_with_advice() -> None:
    text, _ = _rows(80)
    assert " ".join(text.split()).endswith("more time.")
