"""Plans of workers that differ or have an overhead; for Eq. 4-8 see test_dual_batch."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from dbsl_tf.common.errors import UserError
from dbsl_tf.planning import DualBatchPlan, PlanRequest, TimeModel, plan_dual_batch
from dbsl_tf.planning.balance import idle_worker
from dbsl_tf.planning.solving import largest_extra_time_ratio, solvable

COMPSAC = TimeModel(0.00056607, 0.014041204118283607)


def _compsac(small_workers: int, overhead: float = 0.0, rounding: str = "floor") -> PlanRequest:
    model = replace(COMPSAC, seconds_per_mini_epoch=overhead)
    return PlanRequest(model, 50_000, 4, small_workers, 500, rounding)


def test_whole_steps_do_not_spoil_the_published_ratio() -> None:
    plan = plan_dual_batch(_compsac(3), 1.05)
    # The 27th batch of a large worker has 125 samples; only its fixed cost is whole.
    assert (plan.large_steps, plan.first("large").last_batch) == (27, 125)
    assert plan.realised_extra_time_ratio == pytest.approx(1.051, abs=5e-4)
    full_batches = 27 * COMPSAC.batch_seconds(500) / plan.baseline_seconds
    assert full_batches == pytest.approx(1.08, abs=5e-4)


@pytest.mark.parametrize("small_workers", [1, 2, 3, 4])
@pytest.mark.parametrize("overhead", [1e-9, 0.8])
def test_measured_workers_get_the_ratio_they_are_asked(small_workers: int, overhead: float) -> None:
    plan = plan_dual_batch(_compsac(small_workers, overhead), 1.05)
    assert plan.realised_extra_time_ratio == pytest.approx(1.05, abs=1e-3)
    assert plan.epoch_samples == 50_000


@pytest.mark.parametrize("small_workers", [1, 2, 3, 4])
def test_without_overhead_the_general_form_comes_to_the_published_plan(
    small_workers: int,
) -> None:
    published = plan_dual_batch(_compsac(small_workers, rounding="nearest"), 1.05)
    general = plan_dual_batch(_compsac(small_workers, 1e-12), 1.05)
    # It counts whole steps, which Eq. 4-8 do not.
    assert general.small_batch == pytest.approx(published.small_batch, rel=0.05)
    assert general.small_samples == pytest.approx(published.small_samples, rel=0.01)
    assert general.update_factor == pytest.approx(published.update_factor, rel=0.01)


def test_the_factor_by_throughput_follows_the_batch_of_each_worker() -> None:
    models = (COMPSAC, TimeModel(0.001, 0.02, 0.05), COMPSAC)
    request = PlanRequest(models, 1000, 3, 2, 100, "nearest")
    by_samples, by_throughput = (
        plan_dual_batch(request, 1.1, name).workers for name in ("linear", "throughput")
    )
    for linear, worker in zip(by_samples, by_throughput, strict=True):
        expected = linear.update_factor * worker.batch / 100
        assert worker.update_factor == pytest.approx(expected)
    assert by_throughput[2].update_factor == 1


def test_the_overhead_is_part_of_the_predicted_time() -> None:
    plan = plan_dual_batch(_compsac(3, 0.8), 1.05)
    assert plan.overhead_seconds == 0.8
    for worker in (*plan.workers, plan.baseline):
        training = COMPSAC.training_seconds(worker.samples, worker.batch)
        assert worker.predicted_seconds == pytest.approx(0.8 + training)
    # Large workers also train in the 5 % of the overhead that the ratio adds.
    assert plan.large_samples > 13_125


def test_every_worker_is_in_the_dictionary() -> None:
    models = (COMPSAC, TimeModel(0.001, 0.02, 0.5))
    plan = plan_dual_batch(PlanRequest(models, 1000, 2, 1, 100, "nearest"), 1.1)
    values = plan.as_dict()
    assert values["overhead_seconds"] == 0.5
    assert [set(worker) for worker in values["per_worker"]] == 2 * [
        {"worker", "role", "batch", "samples", "steps", "update_factor", "predicted_seconds"}
    ]
    assert values["per_worker"][0]["batch"] == values["small_batch"]
    assert values["per_worker"][1]["samples"] == values["large_samples"]
    assert [worker["worker"] for worker in values["per_worker"]] == [0, 1]


def test_a_worker_too_slow_to_take_part() -> None:
    models = (COMPSAC, replace(COMPSAC, seconds_per_mini_epoch=60.0))
    with pytest.raises(UserError, match=r"worker 1 needs 60 s .* lower cluster\.workers"):
        plan_dual_batch(PlanRequest(models, 1000, 2, 1, 100, "nearest"), 1.1)


def test_as_many_time_models_as_workers() -> None:
    with pytest.raises(ValueError, match="2 time models for 3 workers"):
        PlanRequest((COMPSAC, COMPSAC), 1000, 3, 1, 100, "nearest")


@pytest.mark.parametrize(
    ("k", "expected"), [(1.34, "no samples"), (1.33, "a batch below 1"), (1e300, "no samples")]
)
def test_no_solution_names_what_to_change(k: float, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        plan_dual_batch(_compsac(1, 1e-9), k)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert f"dual_batch.extra_time_ratio is {float(k)}" in message
    assert expected in message
    assert "more dual_batch.small_workers" in message
    assert ("dual_batch.large_batch (500)" in message) == (expected == "a batch below 1")


_seconds = st.floats(1e-5, 1e-2)


@st.composite
def _requests(draw: st.DrawFn) -> PlanRequest:
    """Workers up to ten times as fast as each other, equal ones among them."""
    workers = draw(st.integers(1, 8))
    a, b = draw(_seconds), draw(_seconds) * 10
    speed = st.sampled_from([1.0, 1.0, 2.0]) | st.floats(1, 10)
    overhead = st.just(0.0) | st.floats(0, 2)
    models = tuple(
        TimeModel(a * draw(speed), b * draw(speed), (a + b) * draw(overhead))
        for _ in range(workers)
    )
    samples = draw(st.integers(40 * workers, 60_000))
    large_batch = draw(st.integers(1, 600))
    assume(idle_worker(models, large_batch, samples) is None)
    return PlanRequest(
        time_model=models,
        samples=samples,
        workers=workers,
        small_workers=draw(st.integers(1, workers)),
        large_batch=large_batch,
        rounding=draw(st.sampled_from(["nearest", "floor"])),
    )


def _solved(request: PlanRequest, k: float) -> DualBatchPlan | None:
    try:
        return plan_dual_batch(request, k)
    except UserError:
        return None


@given(_requests(), st.floats(1, 2))
def test_all_samples_are_trained_and_all_finish_together(request: PlanRequest, k: float) -> None:
    assume(not request.equal_workers)
    plan = _solved(request, k)
    assume(plan is not None)
    assert plan.epoch_samples == request.samples
    seconds = [worker.predicted_seconds for worker in plan.workers]
    # Nobody has time for another step before the last one finishes, but for a rounded sample.
    step = max(model.batch_seconds(1) for model in request.time_models)
    sample = max(model.seconds_per_sample for model in request.time_models)
    assert max(seconds) - min(seconds) <= step + sample


@given(_requests(), st.floats(1, 2))
def test_roles_are_kept(request: PlanRequest, k: float) -> None:
    plan = _solved(request, k)
    assume(plan is not None)
    for index, worker in enumerate(plan.workers):
        assert worker.index == index
        assert worker.time_model == request.time_models[index]
        assert worker.role == ("small" if index < request.small_workers else "large")
        assert 0 < worker.update_factor <= 1
        if worker.role == "large":
            assert (worker.batch, worker.update_factor) == (request.large_batch, 1)
        else:
            assert 1 <= worker.batch <= request.large_batch


@given(_requests())
# The rounded share of the small workers is below d / n.
@example(PlanRequest((COMPSAC, COMPSAC), 81, 2, 2, 2, "floor"))
def test_ratio_one_is_the_baseline(request: PlanRequest) -> None:
    plan = plan_dual_batch(request, 1.0)
    assert {worker.batch for worker in plan.workers} == {request.large_batch}
    if not request.equal_workers:
        assert plan.realised_extra_time_ratio == pytest.approx(1)


@given(_requests(), st.floats(1, 2), st.floats(1, 2))
def test_plans_are_monotone_in_the_ratio(request: PlanRequest, one: float, two: float) -> None:
    lower, higher = _solved(request, min(one, two)), _solved(request, max(one, two))
    assume(higher is not None)
    assert lower is not None
    for before, after in zip(lower.workers, higher.workers):
        assert after.batch <= before.batch
    # The rounding of a share can shift each worker by one sample.
    slack = 0 if request.equal_workers else request.workers
    assert higher.small_fraction <= lower.small_fraction + slack / request.samples
    sample = max(model.seconds_per_sample for model in request.time_models)
    if not request.equal_workers:
        assert higher.epoch_seconds >= lower.epoch_seconds - sample


@given(_requests())
def test_equal_workers_without_overhead_get_the_published_plan(request: PlanRequest) -> None:
    model = replace(request.time_models[0], seconds_per_mini_epoch=0.0)
    listed = replace(request, time_model=(model,) * request.workers)
    plan = _solved(listed, 1.05)
    assume(plan is not None)
    assert plan == plan_dual_batch(replace(request, time_model=model), 1.05)
    assume(plan.large_samples is not None and request.rounding == "nearest")
    # d_L = k d / n
    assert plan.large_samples == round(Fraction(105, 100) * request.samples / request.workers)


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


@pytest.mark.parametrize("decimals", [2, 4])
@pytest.mark.parametrize("overhead", [0.0, 0.1])
@pytest.mark.parametrize("rounding", ["nearest", "floor"])
def test_the_largest_ratio_is_the_last_that_is_solvable(
    decimals: int, overhead: float, rounding: str
) -> None:
    request = PlanRequest(TimeModel(0.0012, 0.01, overhead), 1437, 2, 1, 64, rounding)
    largest = largest_extra_time_ratio(request, decimals)
    assert solvable(request, largest)
    assert not solvable(request, largest + Fraction(1, 10**decimals))
