from __future__ import annotations

import json

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.planning import PlanRequest, TimeModel, plan_dual_batch
from dbsl_tf.planning.sweep import advice, parse_ratios, sweep

COMPSAC = TimeModel(0.00056607, 0.014041204118283607)
REQUEST = PlanRequest(COMPSAC, 50_000, 4, 3, 500, "floor")


def test_a_cell_for_every_number_of_small_workers_and_ratio() -> None:
    cells = sweep(REQUEST, (1.05, 1.1))
    # Lu et al., COMPSAC 2022, Table 2.
    assert [
        (cell.small_workers, cell.extra_time_ratio, cell.plan.small_batch) for cell in cells
    ] == [
        (1, 1.05, 83),
        (1, 1.1, 38),
        (2, 1.05, 154),
        (2, 1.1, 87),
        (3, 1.05, 205),
        (3, 1.1, 127),
        (4, 1.05, 242),
        (4, 1.1, 160),
    ]
    assert cells[4].plan == plan_dual_batch(REQUEST, 1.05)
    assert cells[4].plan.small_fraction == pytest.approx(3 * 12_291 / 49_998)


def test_a_cell_without_a_plan_tells_the_largest_ratio() -> None:
    without, with_plan = sweep(REQUEST, (1.4,))[:2]
    assert (without.plan, without.small_batches) == (None, None)
    assert without.problem == f"no B_S: k ≤ {without.largest_extra_time_ratio:g}"
    assert 1.3 < without.largest_extra_time_ratio < 4 / 3
    assert with_plan.problem is None


def test_small_workers_that_differ_have_a_range_of_batches() -> None:
    models = (TimeModel(0.001, 0.02), TimeModel(0.001, 0.05), TimeModel(0.001, 0.02))
    cells = sweep(PlanRequest(models, 5000, 3, 1, 100, "nearest"), (1.1,))
    assert [cell.small_batches[0] < cell.small_batches[1] for cell in cells] == [False, True, True]


def test_cells_are_json() -> None:
    planned, impossible = (cell.as_dict() for cell in sweep(REQUEST, (1.05, 1.4))[:2])
    assert json.loads(json.dumps([planned, impossible])) == [planned, impossible]
    assert planned.keys() == impossible.keys()
    assert (planned["small_batch"], planned["problem"]) == (83, None)
    assert impossible["small_batch"] is impossible["epoch_seconds"] is None


def test_the_advice_is_the_largest_ratio_with_a_batch_of_16() -> None:
    cells = sweep(REQUEST, (1.05, 1.15, 1.2))
    assert [cell.plan.small_batch for cell in cells[:3]] == [83, 20, 11]
    assert "16 or more is 1.15: batch 20" in advice(cells, 1)
    assert "16 or more is 1.2: batch 70" in advice(cells, 3)
    assert advice(cells, 0) == advice(cells, 1)
    assert "try a k closer to 1" in advice(sweep(REQUEST, (1.2,)), 1)


def test_ratios_rise_and_are_given_once() -> None:
    assert parse_ratios("1.1, 1.05,1.1,2") == (1.05, 1.1, 2.0)


@pytest.mark.parametrize("text", ["", "1.05,", "0.9", "nan", "inf", "a"])
def test_ratios_that_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="--sweep-ratios has .* at least 1"):
        parse_ratios(text)


def test_workers_a_sweep_cannot_help() -> None:
    with pytest.raises(UserError, match=r"cluster\.workers is 4"):
        sweep(PlanRequest(COMPSAC, 3, 4, 1, 500, "floor"))
