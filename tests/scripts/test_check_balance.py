"""What scripts/check_balance.py prints of measured mini-epochs."""

from __future__ import annotations

import pytest

from dbsl_tf.planning import PlanRequest, TimeModel, plan_dual_batch
from scripts.check_balance import show

PLAN = plan_dual_batch(
    PlanRequest(
        TimeModel(0.001, 0.004),
        samples=1000,
        workers=2,
        small_workers=1,
        large_batch=50,
        rounding="nearest",
    ),
    1.1,
)


def repeat(scale: float) -> dict[str, list[float]]:
    """Seconds of the mini-epochs of one repeat."""
    return {"small": [0.3 * scale] * 2, "large": [0.6 * scale] * 2, "all-large": [0.5 * scale] * 4}


def test_one_repeat_has_no_quartiles_of_repeats(capsys: pytest.CaptureFixture[str]) -> None:
    show(PLAN, [repeat(1)])
    output = capsys.readouterr().out
    assert "imbalance, small over large: 0.5000 (by repeat: median 0.5000)\n" in output
    assert output.endswith("measured 1.2000 (by repeat: median 1.2000)\n")


def test_several_repeats_have_quartiles(capsys: pytest.CaptureFixture[str]) -> None:
    show(PLAN, [repeat(1), repeat(2)])
    output = capsys.readouterr().out
    assert "large: median 0.9000 s, quartiles 0.6000 to 1.2000 s, 4 mini-epochs\n" in output
    assert output.endswith("(by repeat: median 1.2000, quartiles 1.2000 to 1.2000)\n")
