"""The choice of k for a stated time, against a search through all of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsl_tf.common.errors import UserError
from dbsl_tf.planning import PlanRequest, TimeModel, TrainingSchedule, plan_dual_batch
from dbsl_tf.planning.advice import LEAST_ADVISED_BATCH
from dbsl_tf.planning.within import Choice, best_of, choice_sentence, largest_within, too_short
from tests.support.schedules import constant_schedule

COMPSAC = TimeModel(0.00056607, 0.014041204118283607)
EPOCHS = 140


def _schedules(request: PlanRequest, epochs: int = EPOCHS):
    def schedule_with(ratio: float) -> TrainingSchedule:
        return constant_schedule(plan_dual_batch(request, ratio), epochs)

    return schedule_with


def _compsac(small_workers: int) -> PlanRequest:
    return PlanRequest(COMPSAC, 50_000, 4, small_workers, 500, "floor")


# Large batches only take 7.427 s an epoch.
def _seconds(ratio: float) -> float:
    return EPOCHS * 7.427 * ratio


def test_the_time_decides() -> None:
    choice = largest_within(_schedules(_compsac(3)), 3, _seconds(1.1))
    assert choice is not None
    assert choice.limit == "time"
    # Whole steps make it 1.1 nearly, not exactly.
    assert choice.extra_time_ratio == pytest.approx(1.1, abs=0.011)
    assert choice.keys.startswith("dual_batch.small_workers=3 dual_batch.extra_time_ratio=1.")


def test_the_least_batch_decides() -> None:
    choice = largest_within(_schedules(_compsac(1)), 1, _seconds(9))
    assert choice is not None
    assert choice.limit == "batch"
    assert choice.small_batches[0] >= LEAST_ADVISED_BATCH
    assert plan_dual_batch(_compsac(1), choice.extra_time_ratio + 0.01).small_batch < 16


def test_batches_that_are_small_already_stay() -> None:
    request = PlanRequest(COMPSAC, 50_000, 4, 2, 8, "floor")
    choice = largest_within(_schedules(request), 2, 1e9)
    assert choice is not None
    assert choice.small_batches == (8, 8)


def test_not_even_the_baseline_fits() -> None:
    schedules = _schedules(_compsac(3))
    assert largest_within(schedules, 3, _seconds(0.99)) is None
    message = str(too_short(schedules(1.0), "17m"))
    assert message.startswith("--within is 17m, but even with dual_batch.extra_time_ratio=1 all ")
    assert "all 140 epochs take 17 min 20 s" in message
    assert "\n" not in message


def test_a_run_without_a_plan_is_told_so() -> None:
    with pytest.raises(UserError, match=r"cluster\.workers is 4"):
        largest_within(_schedules(PlanRequest(COMPSAC, 3, 4, 1, 500, "floor")), 1, 1e9)


def test_the_sentence_has_time_and_batch() -> None:
    choice = Choice(3, 1.05, _schedules(_compsac(3))(1.05), "time")
    assert choice_sentence(choice, "20m") == (
        "Within 20m: k = 1.05 with 3 of 4 workers small (B_S 205); all 140 epochs take 18 min "
        "13 s, evaluations not counted."
    )


def test_of_all_splits_that_with_three_quarters_small_is_taken() -> None:
    schedule = _schedules(_compsac(3))(1.05)
    choices = {n: Choice(n, 1.05, schedule, "time") for n in (1, 2, 3, 4)}
    assert best_of(choices, 4).small_workers == 3
    choices[3] = Choice(3, 1.0, schedule, "time")
    assert best_of(choices, 4).small_workers == 2
    assert best_of({3: choices[3]}, 4).small_workers == 3


@st.composite
def _requests(draw: st.DrawFn) -> PlanRequest:
    workers = draw(st.integers(1, 4))
    model = TimeModel(
        draw(st.floats(1e-5, 1e-3)), draw(st.floats(1e-4, 0.1)), draw(st.sampled_from([0.0, 0.2]))
    )
    samples = draw(st.integers(100 * workers, 20_000))
    small_workers = draw(st.integers(1, workers))
    large_batch = draw(st.integers(16, 400))
    return PlanRequest(model, samples, workers, small_workers, large_batch, "nearest")


@given(_requests(), st.floats(1, 1.5))
def test_it_fits_and_the_next_one_does_not(request: PlanRequest, allowed: float) -> None:
    schedules = _schedules(request, epochs=3)
    seconds = allowed * schedules(1.0).predicted_seconds
    choice = largest_within(schedules, request.small_workers, seconds)
    assert choice is not None
    assert choice.schedule.predicted_seconds <= seconds
    at_one = schedules(1.0).plain.small_batches[0]
    assert choice.small_batches[0] >= min(LEAST_ADVISED_BATCH, at_one)
    try:
        following = schedules(round(choice.extra_time_ratio + 0.01, 2))
    except UserError:
        assert choice.limit == "batch"
        return
    too_long = following.predicted_seconds > seconds
    too_small = following.plain.small_batches[0] < min(LEAST_ADVISED_BATCH, at_one)
    assert too_long or too_small
    assert choice.limit == ("time" if too_long else "batch")
