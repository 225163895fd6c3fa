from __future__ import annotations

import io

from rich.console import Console

from dbsl_tf.planning import PlanRequest, TimeModel, plan_dual_batch
from dbsl_tf.planning.sweep import sweep
from dbsl_tf.planning.sweep_report import print_sweep
from dbsl_tf.planning.within import Choice
from tests.support.schedules import constant_schedule

REQUEST = PlanRequest(TimeModel(0.00056607, 0.014041204118283607), 50_000, 4, 3, 500, "floor")


def _rows(
    width: int, small_workers: int = 3, choice: Choice | None = None
) -> tuple[str, list[list[str]]]:
    stream = io.StringIO()
    console = Console(file=stream, width=width)
    print_sweep(sweep(REQUEST, (1.05, 1.4)), small_workers, choice, console)
    text = stream.getvalue()
    lines = [line.strip("│").split("│") for line in text.splitlines() if line.startswith("│")]
    return text, [[cell.strip() for cell in line] for line in lines]


def test_a_row_for_every_cell() -> None:
    text, rows = _rows(80)
    assert rows[0] == ["1", "1.05", "83", "0.810", "21.2%", "7.826", "1.054", ""]
    assert rows[1][:3] == ["", "1.4", "no B_S: k ≤ 1.3155"]
    assert [row[0] for row in rows] == ["1", "", "2", "", "3", "", "4", ""]
    assert max(map(len, text.splitlines())) <= 80


def test_it_ends_with_advice() -> None:
    text, _ = _rows(80)
    assert " ".join(text.split()).endswith("more time.")


def test_the_advised_plan_is_marked() -> None:
    _, rows = _rows(80)
    assert [index for index, row in enumerate(rows) if row[-1] == "*"] == [5]
    assert rows[5][:3] == ["", "1.4", "35"]


def test_a_choice_is_marked_instead() -> None:
    schedule = constant_schedule(plan_dual_batch(REQUEST, 1.05), epochs=1)
    text, rows = _rows(80, choice=Choice(2, 1.05, schedule, "time"))
    assert [index for index, row in enumerate(rows) if row[-1] == "*"] == [2]
    assert "largest k of the sweep" not in text


def test_few_small_workers_are_told_what_others_found() -> None:
    told = "Few small workers can do harm"
    assert told in _rows(80, small_workers=1)[0]
    assert told not in _rows(80, small_workers=3)[0]
