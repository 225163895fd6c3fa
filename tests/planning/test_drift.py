"""Drift of workers from their time models, and the plan that fits them then."""

from __future__ import annotations

import pytest

from dbsl_tf.planning import PlanRequest, TimeModel, plan_dual_batch
from dbsl_tf.planning.drift import DriftWatch

MODEL = TimeModel(0.001, 0.02)


def plan_with(time_models):
    request = PlanRequest(tuple(time_models), 10_000, 4, 2, 100, "nearest")
    return plan_dual_batch(request, extra_time_ratio=1.1)


def watch() -> DriftWatch:
    return DriftWatch([MODEL] * 4, plan_with)


def observe(drift: DriftWatch, worker: int, slowness: list[float]) -> None:
    """Mini-epochs of 1000 samples in 10 steps, which take 1.2 s by the time model."""
    for factor in slowness:
        drift.observe(worker, samples=1000, steps=10, seconds=1.2 * factor)


class TestDriftWatch:
    def test_the_median_of_the_latest_three_counts_and_the_first_is_left_out(self):
        drift = watch()
        observe(drift, 0, [9.0, 1.02])
        assert drift.factors == [1.0] * 4
        observe(drift, 0, [1.06])
        assert drift.factors[0] == pytest.approx(1.04)
        assert not drift.drifted
        observe(drift, 0, [1.5, 1.4])
        assert drift.factors[0] == pytest.approx(1.4)
        assert drift.drifted

    def test_a_faster_worker_is_a_drift_too(self):
        drift = watch()
        observe(drift, 3, [1.0, 0.85, 0.85, 0.85])
        assert drift.drifted

    def test_the_fitting_plan_gives_a_slow_worker_less_so_that_all_finish_together(self):
        drift = watch()
        observe(drift, 3, [2.0] * 4)
        plan = drift.fitting_plan()
        assert plan.workers[3].samples < 0.6 * plan.workers[2].samples
        # By its observed speed the slow worker finishes within a step of the others.
        slow = plan.workers[3]
        seconds = 2 * MODEL.training_seconds(slow.samples, slow.batch)
        assert seconds == pytest.approx(slow.predicted_seconds)
        step = 2 * MODEL.batch_seconds(100)
        for worker in plan.workers:
            assert abs(worker.predicted_seconds - seconds) < step

    def test_after_adoption_the_observed_speed_is_what_is_expected(self):
        drift = watch()
        observe(drift, 3, [2.0] * 4)
        drift.adopt()
        assert not drift.drifted
        observe(drift, 3, [2.0] * 4)
        assert drift.factors[3] == pytest.approx(1.0)
        observe(drift, 3, [1.0] * 4)
        assert drift.factors[3] == pytest.approx(0.5)

    def test_what_a_slow_worker_has_shown_survives_the_adoption_for_another(self):
        drift = watch()
        observe(drift, 3, [2.0, 2.0])
        observe(drift, 0, [0.8] * 3)
        drift.adopt()
        observe(drift, 3, [9.0, 2.0])
        assert drift.factors[3] == pytest.approx(2.0)
