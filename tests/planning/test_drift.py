"""Drift of workers from one another, and the plan that fits them then."""

from __future__ import annotations

import random
from collections.abc import Sequence
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsl_tf.planning import DualBatchPlan, PlanRequest, TimeModel, plan_dual_batch
from dbsl_tf.planning.drift import DriftWatch
from dbsl_tf.planning.solving import plan_with_batches

MODEL = TimeModel(0.001, 0.02)
RATIO = 1.1


def request_for(models: Sequence[TimeModel], small: int = 2) -> PlanRequest:
    return PlanRequest(tuple(models), 10_000, len(models), small, 100, "nearest")


def watch(models: Sequence[TimeModel] = (MODEL,) * 4, small: int = 2) -> DriftWatch:
    return DriftWatch(
        plan_dual_batch(request_for(models, small), RATIO),
        lambda observed, batches: plan_with_batches(request_for(observed, small), batches, RATIO),
    )


def observe(drift: DriftWatch, worker: int, slowness: Sequence[float]) -> None:
    """Mini-epochs of 1000 samples in 10 steps; by their time model they take 1.2 s."""
    for factor in slowness:
        drift.observe(worker, samples=1000, steps=10, seconds=1.2 * factor)


def observe_all(drift: DriftWatch, factors: Sequence[float], times: int = 4) -> None:
    for worker, factor in enumerate(factors):
        observe(drift, worker, [factor] * times)


def train(drift: DriftWatch, truth: Sequence[TimeModel], epochs: int, noise: float = 0.0) -> None:
    """Mini-epochs of the plan in force by workers of other speeds; plans anew if need be."""
    generator = random.Random(1)
    for _ in range(epochs):
        for worker in drift.plan.workers:
            seconds = truth[worker.index].training_seconds(worker.samples, worker.batch)
            seconds *= 1 + noise * generator.uniform(-1, 1)
            drift.observe(worker.index, worker.samples, worker.steps, seconds)
        if drift.drifted and (plan := drift.fitting_plan()) is not None:
            drift.adopt(plan)


def seconds_of(plan: DualBatchPlan, truth: Sequence[TimeModel]) -> list[float]:
    return [
        truth[worker.index].training_seconds(worker.samples, worker.batch)
        for worker in plan.workers
    ]


def imbalance(plan: DualBatchPlan, truth: Sequence[TimeModel]) -> float:
    """The mean time that workers wait for the last, as a share of its own."""
    seconds = seconds_of(plan, truth)
    return 1 - fmean(seconds) / max(seconds)


class TestWhatIsConcluded:
    def test_nothing_before_each_worker_was_observed_often_enough(self):
        drift = watch()
        observe_all(drift, [4.64, 1.0, 1.0])
        observe(drift, 3, [4.6] * 3)
        assert drift.factors is None
        assert (drift.drifted, drift.news()) == (False, None)
        observe(drift, 3, [4.6])
        assert drift.factors == pytest.approx([4.64, 1.0, 1.0, 4.6])
        assert (drift.drifted, drift.news()) == (True, "drift")

    def test_the_first_of_each_worker_does_not_count(self):
        drift = watch()
        observe_all(drift, [1.0] * 4, times=3)
        for worker in range(4):
            observe(drift, worker, [9.0 if worker else 1.0])
        assert drift.factors == pytest.approx([1.0] * 4)

    @pytest.mark.parametrize("common", [0.2, 4.64])
    def test_a_factor_that_all_have_in_common_is_no_drift(self, common):
        drift = watch()
        observe_all(drift, [common, 1.05 * common, common, 0.98 * common])
        assert (drift.drifted, drift.news()) == (False, None)

    def test_a_faster_worker_is_a_drift_too(self):
        drift = watch()
        observe_all(drift, [1.0, 1.0, 1.0, 0.85])
        assert drift.drifted

    def test_times_that_overlap_prove_nothing(self):
        drift = watch()
        observe_all(drift, [1.0, 1.0, 1.0])
        observe(drift, 3, [1.0, 1.2, 0.95, 1.2, 1.2, 1.2])
        assert drift.factors == pytest.approx([1.0, 1.0, 1.0, 1.2])
        assert not drift.drifted
        observe(drift, 3, [1.2, 1.2])
        assert drift.drifted

    def test_one_worker_alone_does_not_drift(self):
        drift = watch([MODEL], small=0)
        observe(drift, 0, [7.0] * 5)
        assert not drift.drifted


class TestWhatIsTold:
    def test_a_drift_is_told_once_and_taken_back_when_it_is_over(self):
        drift = watch()
        observe_all(drift, [2.0, 1.0, 1.0, 1.0])
        assert drift.news() == "drift"
        drift.tell("drift")
        assert drift.news() is None
        observe_all(drift, [2.0, 1.0, 1.0, 1.0])
        assert drift.news() is None
        observe_all(drift, [1.02, 1.0, 1.0, 1.0], times=5)
        assert drift.news() == "fits"
        drift.tell("fits")
        observe_all(drift, [1.02, 1.0, 1.0, 1.0])
        assert drift.news() is None

    def test_a_drift_that_becomes_another_is_told_again(self):
        drift = watch()
        observe_all(drift, [2.0, 1.0, 1.0, 1.0])
        drift.tell("drift")
        observe_all(drift, [2.0, 1.0, 2.0, 1.0])
        assert drift.news() == "drift"


class TestFittingPlan:
    def test_a_slow_worker_gets_less_of_the_same_batches_and_all_finish_together(self):
        drift = watch()
        before = drift.plan
        observe_all(drift, [1.0, 1.0, 1.0, 2.0])
        plan = drift.fitting_plan()
        assert [w.batch for w in plan.workers] == [w.batch for w in before.workers]
        assert plan.epoch_samples == 10_000
        assert plan.workers[3].samples < 0.6 * plan.workers[2].samples
        truth = [MODEL] * 3 + [TimeModel(0.002, 0.04)]
        step = truth[3].batch_seconds(100)
        seconds = seconds_of(plan, truth)
        assert max(seconds) - min(seconds) < step
        assert [w.predicted_seconds for w in plan.workers] == pytest.approx(seconds)

    def test_after_adoption_the_observed_speed_is_what_is_expected(self):
        drift = watch()
        observe_all(drift, [1.0, 1.0, 1.0, 2.0])
        drift.adopt(drift.fitting_plan())
        assert drift.factors is None
        observe_all(drift, [1.0, 1.0, 1.0, 2.0])
        assert drift.factors == pytest.approx([1.0] * 4)

    def test_shares_that_are_no_better_are_not_proposed(self):
        """A worker that is far too slow for its one sample has no smaller share."""
        models = [MODEL] * 3 + [TimeModel(0.5, 10.0)]
        drift = DriftWatch(
            plan_with_batches(request_for(models), [20, 20, 100, 100], RATIO),
            lambda observed, batches: plan_with_batches(request_for(observed), batches, RATIO),
        )
        observe_all(drift, [1.0, 1.0, 1.0], times=9)
        for _ in range(9):
            drift.observe(3, samples=1, steps=1, seconds=9 * 10.5)
        assert drift.drifted
        assert drift.fitting_plan() is None


# Workers that differ by up to 20 times from one another, and from what their time models say.
speeds = st.lists(st.floats(0.5, 10.0), min_size=4, max_size=4)


class TestReplanning:
    @given(speed=st.floats(0.05, 20.0), small=st.integers(0, 4), noise=st.floats(0.0, 0.15))
    def test_equal_workers_on_a_machine_of_another_speed_keep_their_plan(self, speed, small, noise):
        """Their b may be as wrong as their a; single times are up to 15 % off either way."""
        drift = watch(small=small)
        before = drift.plan
        truth = [TimeModel(speed * 0.001, speed * 0.02)] * 4
        train(drift, truth, epochs=12, noise=noise)
        assert imbalance(drift.plan, truth) <= imbalance(before, truth) + noise
        if noise < 0.04:
            assert drift.plan is before

    @given(slow=speeds, b=st.floats(0.1, 10.0), small=st.integers(0, 4))
    def test_unequal_workers_come_to_finish_together(self, slow, b, small):
        """Whether or not b is what the time model says."""
        truth = [TimeModel(0.001 * factor, 0.02 * factor * b) for factor in slow]
        drift = watch(small=small)
        before = imbalance(drift.plan, truth)
        train(drift, truth, epochs=20)
        after = imbalance(drift.plan, truth)
        # A share that ends within a step may end a step later than expected.
        step = max(model.batch_seconds(100) for model in truth)
        assert after <= before + step / max(seconds_of(drift.plan, truth))
        assert after <= 0.12 + 2 * step / max(seconds_of(drift.plan, truth))

    @given(slow=speeds, noise=st.floats(0.0, 0.2))
    def test_it_never_makes_the_imbalance_worse_than_the_noise_of_the_times(self, slow, noise):
        truth = [TimeModel(0.001 * factor, 0.02 * factor) for factor in slow]
        drift = watch()
        before = imbalance(drift.plan, truth)
        train(drift, truth, epochs=20, noise=noise)
        step = max(model.batch_seconds(100) for model in truth)
        slack = noise + step / max(seconds_of(drift.plan, truth))
        assert imbalance(drift.plan, truth) <= before + slack
