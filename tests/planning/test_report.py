from __future__ import annotations

import io

import pytest
from rich.console import Console

from dbsl_tf.planning import DualBatchPlan, PlanRequest, TimeModel, plan_dual_batch
from dbsl_tf.planning.report import print_plan


def _plan(small_workers: int, rounding: str = "floor") -> DualBatchPlan:
    time_model = TimeModel(0.00056607, 0.014041204118283607)
    return plan_dual_batch(PlanRequest(time_model, 50_000, 4, small_workers, 500, rounding), 1.05)


def _printed(plan: DualBatchPlan, width: int = 80) -> str:
    stream = io.StringIO()
    print_plan(plan, Console(file=stream, width=width))
    return stream.getvalue()


def _row(text: str, name: str) -> list[str]:
    line = next(line for line in text.splitlines() if name in line)
    return [cell.strip() for cell in line.strip("│").split("│")][1:]


def test_roles_stand_side_by_side() -> None:
    text = _printed(_plan(3))
    assert _row(text, "how many") == ["3", "1", "4"]
    assert _row(text, "samples per epoch") == ["12,291", "13,125", "12,500"]
    assert _row(text, "steps per epoch") == ["60", "27", "25"]
    assert _row(text, "predicted seconds") == ["7.800", "7.809", "7.427"]


def test_the_sentences_tell_what_rounding_leaves() -> None:
    text = " ".join(_printed(_plan(3)).split())
    assert "1.051 times as long" in text
    assert "train on 49,998 samples per epoch; the training set has 50,000" in text
    assert "the whole training set" in " ".join(_printed(_plan(2)).split())


def test_a_role_without_workers_has_no_column() -> None:
    assert "small batch" not in _printed(_plan(0))
    assert "this is the baseline" in _printed(_plan(0))
    assert len(_row(_printed(_plan(4)), "how many")) == 2


def test_an_overhead_is_shown_where_there_is_one() -> None:
    model = TimeModel(0.00056607, 0.014041204118283607, 0.8)
    plan = plan_dual_batch(PlanRequest(model, 50_000, 4, 3, 500, "floor"), 1.05)
    assert _row(_printed(plan), "of which overhead") == ["0.800"] * 3
    assert "overhead" not in _printed(_plan(3))


def test_workers_that_differ_have_a_line_each() -> None:
    models = (TimeModel(0.00075, 0.0024, 0.03), TimeModel(0.0011, 0.003), TimeModel(0.0005, 0.006))
    plan = plan_dual_batch(PlanRequest(models, 50_000, 3, 2, 128, "nearest"), 1.1)
    text = _printed(plan)
    lines = [line.strip("│").split("│") for line in text.splitlines() if "│" in line]
    assert [[line[0].strip(), line[1].strip(), line[3].strip()] for line in lines] == [
        [str(worker.index), worker.role, f"{worker.samples:,}"] for worker in plan.workers
    ]
    assert "…" not in text


@pytest.mark.parametrize(("width", "widest"), [(40, 40), (80, 80), (500, 100)])
def test_the_width_is_bounded(width: int, widest: int) -> None:
    assert max(map(len, _printed(_plan(3), width).splitlines())) <= widest
