"""Plans of epochs that have several mini-epochs, or of several epochs in one."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from dbsl_tf.common.errors import UserError
from dbsl_tf.planning import PlanRequest, TimeModel, plan_dual_batch, plan_with_batches
from dbsl_tf.planning.report import print_plan
from dbsl_tf.planning.sweep import sweep
from dbsl_tf.planning.sweep_report import print_sweep

COMPSAC = TimeModel(0.00056607, 0.014041204118283607)
REQUEST = PlanRequest(COMPSAC, 50_000, 4, 3, 500, "nearest")


def test_a_mini_epoch_is_planned_like_an_epoch_of_a_part_of_the_samples() -> None:
    for often in (2, 4, Fraction(1, 3)):
        plan = plan_dual_batch(replace(REQUEST, mini_epochs=Fraction(often)), 1.1)
        part = plan_dual_batch(replace(REQUEST, samples=int(50_000 / often)), 1.1)
        assert plan.workers == part.workers and plan.baseline == part.baseline
        assert plan.epoch_seconds == pytest.approx(float(often) * part.epoch_seconds)
        assert plan.realised_extra_time_ratio == part.realised_extra_time_ratio
        assert plan.small_fraction == part.small_fraction
        assert plan.epoch_samples == pytest.approx(50_000, abs=float(4 * often))
        assert plan.samples == 50_000


def test_parts_of_samples_are_exact() -> None:
    # 1000 samples are 333 1/3 each, of which k d / n is 91 2/3; rounded first, it would be 91.6.
    plan = plan_dual_batch(
        PlanRequest(COMPSAC, 1000, 4, 1, 20, "nearest", mini_epochs=Fraction(3)), 1.1
    )
    assert plan.large_samples == 92


@given(st.integers(1, 40), st.floats(0, 1))
def test_the_overhead_counts_in_every_mini_epoch(often: int, overhead: float) -> None:
    models = tuple(TimeModel(0.001 * (1 + i / 10), 0.02, overhead) for i in range(3))
    request = PlanRequest(models, 9001, 3, 0, 30, "nearest", mini_epochs=Fraction(often))
    plan = plan_dual_batch(request, 1.05)
    assert sum(worker.samples for worker in plan.workers) == round(9001 / often)
    training = max(w.time_model.training_seconds(w.samples, w.batch) for w in plan.workers)
    assert plan.epoch_seconds == pytest.approx(often * (training + overhead))
    again = plan_with_batches(request, [worker.batch for worker in plan.workers], 1.05)
    assert again.workers == plan.workers


def test_too_many_mini_epochs_are_refused_in_a_line() -> None:
    with pytest.raises(UserError) as refused:
        plan_dual_batch(
            PlanRequest(COMPSAC, 10, 4, 3, 500, "nearest", mini_epochs=Fraction(3)), 1.05
        )
    assert str(refused.value) == (
        "schedule.mini_epochs_per_epoch is 3, which leaves fewer samples than workers: with 10 "
        "training samples and 4 workers (cluster.workers) give at most 2"
    )


def printed(mini_epochs: int | Fraction) -> str:
    console = Console(width=100, record=True, file=open("/dev/null", "w"))
    print_plan(plan_dual_batch(replace(REQUEST, mini_epochs=Fraction(mini_epochs)), 1.05), console)
    return console.export_text()


def test_the_printed_plan_says_how_many_there_are() -> None:
    assert "mini-epoch" not in printed(1)
    text = printed(4)
    for part in (
        "mini-epochs per epoch",
        "samples per mini-epoch",
        "An epoch has 4 mini-epochs of",
    ):
        assert part in text
    assert "Every worker trains 3 epochs in one mini-epoch." in printed(Fraction(1, 3))


def test_a_sweep_says_how_many_there_are() -> None:
    for often, said in ((1, False), (4, True)):
        cells = sweep(replace(REQUEST, mini_epochs=Fraction(often)), (1.05,))
        console = Console(width=100, record=True, file=open("/dev/null", "w"))
        print_sweep(cells, 3, console=console)
        text = " ".join(console.export_text().split())
        line = "An epoch has 4 mini-epochs of every worker. Seconds are those of an epoch."
        assert (line in text) == said
        assert json.loads(json.dumps(cells[0].as_dict()))["mini_epochs_per_epoch"] == often
