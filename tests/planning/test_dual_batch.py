"""The plan against published ones, and what must hold for every plan."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dbsl_tf.common.errors import UserError
from dbsl_tf.config import load_config
from dbsl_tf.planning import DualBatchPlan, PlanRequest, TimeModel, plan_dual_batch
from dbsl_tf.resolved import settings_of

COMPSAC = TimeModel(0.00056607, 0.014041204118283607)
RESOLUTION_24 = TimeModel(0.00035268184915307385, 0.014788833468238893)
RESOLUTION_32 = TimeModel(0.0005056358858583448, 0.015562114074817612)

# k, n_S, B_S, d_S, d_L; n = 4, d = 50000, B_L = 500, truncated.
# Source: Lu et al., COMPSAC 2022, Table 2.
COMPSAC_TABLE_2 = [
    (1.05, 1, 83, 10625, 13125),
    (1.05, 2, 154, 11875, 13125),
    (1.05, 3, 205, 12291, 13125),
    (1.05, 4, 242, 12500, None),
    (1.1, 1, 38, 8750, 13750),
    (1.1, 2, 87, 11250, 13750),
    (1.1, 3, 127, 12083, 13750),
    (1.1, 4, 160, 12500, None),
]

# Time model, B_L, n_S, B_S, d_S, d_L; n = 4, d = 50000, k = 1.05, rounded to nearest.
# Source: arXiv 2509.26092, Table 6.
JOURNAL_TABLE_6 = [
    (RESOLUTION_24, 600, 1, 130, 10625, 13125),
    (RESOLUTION_32, 560, 1, 102, 10625, 13125),
    (RESOLUTION_24, 600, 2, 230, 11875, 13125),
    (RESOLUTION_32, 560, 2, 185, 11875, 13125),
    (RESOLUTION_24, 600, 3, 294, 12292, 13125),
    (RESOLUTION_32, 560, 3, 243, 12292, 13125),
    (RESOLUTION_24, 600, 4, 340, 12500, None),
    (RESOLUTION_32, 560, 4, 286, 12500, None),
]


IMAGENET_160 = TimeModel(0.0003013537830804257, 0.012036769987567586)
IMAGENET_288 = TimeModel(0.0009387165655225843, 0.016659967832795497)

# Rounding, time model, B_L, d, n, k, n_S, B_S, d_S, d_L; neither share divides evenly. From the
# published order of rounding: d_S from the rounded d_L, B_S from the unrounded k d / n.
UNEVEN = [
    ("nearest", IMAGENET_160, 2330, 1_281_167, 4, 1.05, 1, 156, 272_249, 336_306),
    ("nearest", IMAGENET_160, 2330, 1_281_167, 4, 1.05, 2, 322, 304_278, 336_306),
    ("nearest", IMAGENET_160, 2330, 1_281_167, 4, 1.05, 3, 464, 314_954, 336_306),
    ("nearest", IMAGENET_160, 2330, 1_281_167, 4, 1.05, 4, 587, 320_292, None),
    ("nearest", IMAGENET_288, 740, 1_281_167, 4, 1.05, 3, 190, 314_954, 336_306),
    ("nearest", RESOLUTION_32, 560, 50_000, 3, 1.05, 2, 226, 16_250, 17_500),
    ("nearest", RESOLUTION_32, 560, 49_999, 7, 1.05, 1, 53, 4_999, 7_500),
    ("nearest", RESOLUTION_32, 560, 49_999, 7, 1.02, 3, 292, 6_952, 7_286),
    ("nearest", RESOLUTION_32, 560, 49_999, 7, 1.02, 7, 405, 7_143, None),
    ("floor", COMPSAC, 500, 50_000, 3, 1.1, 1, 55, 13_334, 18_333),
    ("floor", COMPSAC, 500, 50_000, 3, 1.1, 3, 160, 16_666, None),
    ("floor", COMPSAC, 500, 49_999, 7, 1.05, 1, 43, 5_005, 7_499),
    ("floor", COMPSAC, 500, 49_999, 7, 1.05, 4, 171, 6_875, 7_499),
    ("floor", COMPSAC, 500, 1_281_167, 8, 1.05, 1, 35, 104_096, 168_153),
    ("floor", COMPSAC, 500, 1_281_167, 8, 1.05, 5, 182, 155_341, 168_153),
]


def _plan(
    k: float,
    *,
    small_workers: int,
    workers: int = 4,
    samples: int = 50_000,
    large_batch: int = 500,
    time_model: TimeModel = COMPSAC,
    rounding: str = "nearest",
    update_factor: str = "linear",
) -> DualBatchPlan:
    request = PlanRequest(time_model, samples, workers, small_workers, large_batch, rounding)
    return plan_dual_batch(request, k, update_factor)


@pytest.mark.parametrize(
    ("k", "small_workers", "batch", "small_samples", "large_samples"), COMPSAC_TABLE_2
)
def test_plans_of_compsac_table_2(k, small_workers, batch, small_samples, large_samples) -> None:
    plan = _plan(k, small_workers=small_workers, rounding="floor")
    assert (plan.small_batch, plan.small_samples) == (batch, small_samples)
    assert plan.large_samples == large_samples


@pytest.mark.parametrize(
    ("time_model", "large_batch", "small_workers", "batch", "small_samples", "large_samples"),
    JOURNAL_TABLE_6,
)
def test_plans_of_journal_table_6(
    time_model, large_batch, small_workers, batch, small_samples, large_samples
) -> None:
    plan = _plan(1.05, small_workers=small_workers, large_batch=large_batch, time_model=time_model)
    assert (plan.small_batch, plan.small_samples) == (batch, small_samples)
    assert plan.large_samples == large_samples


@pytest.mark.parametrize(
    (
        "rounding",
        "time_model",
        "large_batch",
        "samples",
        "workers",
        "k",
        "small_workers",
        "batch",
        "small_samples",
        "large_samples",
    ),
    UNEVEN,
)
def test_shares_that_do_not_divide_evenly(
    rounding,
    time_model,
    large_batch,
    samples,
    workers,
    k,
    small_workers,
    batch,
    small_samples,
    large_samples,
) -> None:
    plan = _plan(
        k,
        small_workers=small_workers,
        workers=workers,
        samples=samples,
        large_batch=large_batch,
        time_model=time_model,
        rounding=rounding,
    )
    assert (plan.small_batch, plan.small_samples) == (batch, small_samples)
    assert plan.large_samples == large_samples


def test_every_worker_by_hand() -> None:
    # d_L = 1.2 * 100 / 2 = 60, d_S = 40, B_S = 0.1 / ((0.01 + 0.1/20) * 60/40 - 0.01) = 8.
    plan = _plan(
        1.2,
        small_workers=1,
        workers=2,
        samples=100,
        large_batch=20,
        time_model=TimeModel(0.01, 0.1),
    )
    small, large = plan.workers
    assert (small.index, small.role, small.batch, small.samples) == (0, "small", 8, 40)
    assert (small.steps, small.last_batch) == (5, 8)
    assert (large.index, large.role, large.batch, large.samples) == (1, "large", 20, 60)
    assert (large.steps, large.last_batch) == (3, 20)
    assert small.update_factor == pytest.approx(40 / 60)
    assert large.update_factor == 1
    assert small.predicted_seconds == pytest.approx(0.01 * 40 + 0.1 * 5)
    assert large.predicted_seconds == pytest.approx(0.01 * 60 + 0.1 * 3)
    # Equal shares of 50 make two full steps and one of 10.
    assert plan.baseline_seconds == pytest.approx(0.01 * 50 + 0.1 * 3)
    assert plan.realised_extra_time_ratio == pytest.approx(0.9 / 0.8)


def test_update_factors() -> None:
    plans = [
        _plan(1.05, small_workers=3, update_factor=name)
        for name in ("linear", "sqrt", "throughput", "none")
    ]
    part, batch = 12292 / 13125, plans[0].small_batch / 500
    factors = [plan.update_factor for plan in plans]
    assert factors == pytest.approx([part, math.sqrt(part), part * batch, 1])


def test_without_small_workers_the_ratio_has_no_effect() -> None:
    plan = _plan(1.3, small_workers=0)
    assert [worker.role for worker in plan.workers] == ["large"] * 4
    assert plan.large_samples == 12_500
    assert plan.small_batch is plan.small_samples is plan.update_factor is None
    assert plan.realised_extra_time_ratio == 1


def test_without_large_workers_their_share_still_counts() -> None:
    plan = _plan(1.1, small_workers=4)
    assert plan.large_batch is plan.large_samples is plan.predicted_large_seconds is None
    assert plan.small_samples == 12_500
    assert plan.update_factor == pytest.approx(12_500 / 13_750)


def test_the_dictionary_is_json_and_complete() -> None:
    plan = _plan(1.05, small_workers=3)
    values = plan.as_dict()
    assert json.loads(json.dumps(values)) == values
    names = """
        small_batch large_batch small_samples large_samples small_steps large_steps update_factor
        predicted_small_seconds predicted_large_seconds baseline_seconds realised_extra_time_ratio
        extra_time_ratio samples epoch_samples
    """
    for name in names.split():
        assert values[name] == getattr(plan, name), name
    assert (values["workers"], values["small_workers"], values["large_workers"]) == (4, 3, 1)
    assert values["epoch_samples"] == 3 * 12_292 + 13_125


def test_the_plan_of_a_configuration(tmp_path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(
        "data: {name: cifar100}\nmodel: {name: resnet18}\nschedule: {epochs: 1}\n"
        "cluster: {workers: 4}\ntime_model: {a: 0.00056607, b: 0.014041204118283607}\n"
        "dual_batch: {small_workers: 3, large_batch: 500, extra_time_ratio: 1.1, "
        "rounding: floor, update_factor: none}\n"
    )
    models = [TimeModel(0.00056607, 0.014041204118283607)] * 4
    plan = settings_of(load_config(path)).plan(models)
    assert (plan.small_batch, plan.small_samples, plan.large_samples) == (127, 12083, 13750)
    assert plan.update_factor == 1


@pytest.mark.parametrize(
    ("k", "changes", "expected"),
    [
        (1.5, {"small_workers": 1}, "no samples"),
        (1.33, {"small_workers": 1}, "a batch below 1"),
        (100, {"small_workers": 4}, "a batch below 1"),
        (1.05, {"small_workers": 1, "time_model": TimeModel(1, 1e-9)}, "a batch below 1"),
    ],
)
def test_no_solution_names_what_to_change(k, changes, expected) -> None:
    with pytest.raises(UserError) as caught:
        _plan(k, **changes)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert f"dual_batch.extra_time_ratio is {float(k)}" in message
    assert f"dual_batch.small_workers {changes['small_workers']} of 4" in message
    assert expected in message
    assert ("more dual_batch.small_workers" in message) == (changes["small_workers"] < 4)
    if expected == "a batch below 1":
        assert "time_model.a" in message and "time_model.b" in message
        assert "dual_batch.large_batch (500)" in message


def test_more_workers_than_samples() -> None:
    with pytest.raises(UserError, match=r"cluster\.workers is 4 .* use at most 3"):
        _plan(1, small_workers=0, samples=3)


@st.composite
def _requests(draw: st.DrawFn) -> PlanRequest:
    workers = draw(st.integers(1, 12))
    return PlanRequest(
        time_model=TimeModel(draw(st.floats(1e-6, 1e-1)), draw(st.floats(1e-6, 1.0))),
        samples=draw(st.integers(workers, 60_000)),
        workers=workers,
        small_workers=draw(st.integers(1, workers)),
        large_batch=draw(st.integers(1, 2000)),
        rounding=draw(st.sampled_from(["nearest", "floor"])),
    )


_ratios = st.floats(1, 2)


def _solved(request: PlanRequest, k: float) -> DualBatchPlan | None:
    try:
        return plan_dual_batch(request, k)
    except UserError:
        return None


@given(_requests(), _ratios)
def test_rounding_in_the_published_order(request: PlanRequest, k: float) -> None:
    plan = _solved(request, k)
    assume(plan is not None and k > 1)
    whole = round if request.rounding == "nearest" else math.floor
    model, d, n = request.time_model, request.samples, request.workers
    a, b = Fraction(str(model.seconds_per_sample)), Fraction(str(model.seconds_per_batch))
    share = Fraction(str(k)) * d / n
    small = whole(Fraction(d - plan.count("large") * whole(share), request.small_workers))
    assert plan.large_samples in (whole(share), None)
    assert plan.small_samples == small
    divisor = (a + b / request.large_batch) * share / small - a
    batch = whole(b / divisor) if divisor > 0 else request.large_batch
    assert plan.small_batch == min(batch, request.large_batch)


@given(_requests())
def test_ratio_one_gives_the_large_batch(request: PlanRequest) -> None:
    even = replace(request, samples=request.samples * request.workers)
    assert plan_dual_batch(even, 1.0).small_batch == request.large_batch


@given(_requests(), _ratios)
def test_a_plan_is_within_its_bounds(request: PlanRequest, k: float) -> None:
    plan = _solved(request, k)
    assume(plan is not None)
    assert len(plan.workers) == request.workers
    assert [worker.index for worker in plan.workers] == list(range(request.workers))
    assert [worker.role for worker in plan.workers] == sorted(
        (worker.role for worker in plan.workers), reverse=True
    )
    for worker in plan.workers:
        assert 1 <= worker.batch <= request.large_batch
        assert worker.samples >= 1
        assert 0 < worker.update_factor <= 1
        assert 1 <= worker.last_batch <= worker.batch
        assert (worker.steps - 1) * worker.batch + worker.last_batch == worker.samples
        assert sum(worker.batch_sizes) == worker.samples
        assert len(worker.batch_sizes) == worker.steps
    # Only the share of small workers leaves a rest. One small worker leaves none.
    lost = request.samples - plan.epoch_samples
    if k == 1:
        return  # tiny sets have more samples in their plan than there are
    if request.rounding == "nearest":
        assert abs(lost) <= request.small_workers / 2
    else:
        assert 0 <= lost < request.small_workers
    if request.small_workers == 1:
        assert lost == 0


@given(_requests(), _ratios, _ratios)
def test_the_small_batch_falls_as_the_ratio_rises(
    request: PlanRequest, one: float, two: float
) -> None:
    lower, higher = _solved(request, min(one, two)), _solved(request, max(one, two))
    assume(higher is not None)
    assert lower is not None
    assert higher.small_batch <= lower.small_batch
    assert higher.small_samples <= lower.small_samples
    assert higher.update_factor <= lower.update_factor


@given(_requests(), _ratios)
def test_both_kinds_finish_together(request: PlanRequest, k: float) -> None:
    plan = _solved(request, k)
    assume(plan is not None and plan.count("large") and plan.small_batch < request.large_batch)
    a, b = request.time_model.seconds_per_sample, request.time_model.seconds_per_batch
    small, large = plan.first("small"), plan.first("large")

    def seconds(samples: float, batch: float) -> float:
        return (a + b / batch) * samples

    # With B_S as it was before rounding, d_S samples take as long as k d / n with B_L. Rounding
    # moves B_S by less than one.
    noise = 1 + 1e-9
    both = seconds(k * request.samples / request.workers, request.large_batch)
    assert seconds(small.samples, small.batch + 1) <= both * noise
    # At k = 1 it may have been below 1/2, which makes 1.
    if k > 1 or small.batch > 1:
        assert both <= seconds(small.samples, small.batch - 0.5) * noise
    # A short last batch costs less than one overhead more than its part of a batch.
    for worker in (small, large):
        overhead = worker.predicted_seconds - seconds(worker.samples, worker.batch)
        assert -1e-9 * worker.predicted_seconds <= overhead <= b * noise


@given(_requests(), st.floats(1, 50))
def test_the_range_in_the_refusal_is_the_range_that_works(request: PlanRequest, k: float) -> None:
    try:
        plan_dual_batch(request, k)
    except UserError as error:
        match = re.search(r" use 1(?: to ([0-9.]+))?, or ", str(error))
    else:
        return
    largest = float(match[1] or 1)
    assert largest < k
    assert _solved(request, largest) is not None
    assert _solved(request, round(largest + 1e-4, 4)) is None
    assert _solved(request, (1 + largest) / 2) is not None
