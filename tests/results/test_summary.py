"""The summary against numbers worked out by hand."""

from __future__ import annotations

from importlib import metadata

import pytest

from dbsl_tf.planning import PlanRequest, TimeModel, plan_dual_batch
from dbsl_tf.results.summary import summarize
from tests.support.records import commit_record, evaluation_record
from tests.support.schedules import constant_schedule


def schedule(small_workers: int):
    request = PlanRequest(
        time_model=TimeModel(0.001, 0.02),
        samples=1000,
        workers=2,
        small_workers=small_workers,
        large_batch=100,
        rounding="nearest",
    )
    return constant_schedule(plan_dual_batch(request, extra_time_ratio=1.2), epochs=3)


class TestSummary:
    def test_medians_imbalance_and_extra_time(self):
        # k = 1.2: a large worker has 600 of 1000 samples, 500 in the baseline. Its median of
        # 3 s makes the baseline 2.5 s; the small worker's 3.3 s is 1.32 times that.
        commits = [
            commit_record(commit=1, role="small", samples=400, seconds=9.0, staleness=0),
            commit_record(commit=2, role="large", batch=100, samples=600, seconds=3.0, staleness=1),
            commit_record(commit=3, role="small", samples=400, seconds=3.3, staleness=1),
            commit_record(commit=4, role="large", batch=100, samples=600, seconds=3.0, staleness=2),
            commit_record(commit=5, role="small", samples=400, seconds=3.0, staleness=1),
        ]
        evaluations = [
            evaluation_record(commit=2, test_accuracy=0.9, test_loss=0.3),
            evaluation_record(commit=5, test_accuracy=0.8, test_loss=0.4),
        ]
        summary = summarize(schedule(small_workers=1), commits, evaluations, wall_seconds=8.0)
        assert summary["commits"] == 5
        assert summary["samples"] == 2400
        assert summary["images_per_second"] == 300
        assert (summary["test_accuracy"], summary["test_loss"]) == (0.8, 0.4)
        assert summary["best_test_accuracy"] == 0.9
        assert summary["load_imbalance"] == pytest.approx(1.1)
        assert summary["realised_extra_time_ratio"] == pytest.approx(1.32)
        assert summary["mean_staleness"] == 1.0

    def test_validation_and_test_are_told_apart(self):
        evaluations = [
            evaluation_record(commit=1, split="validation", test_accuracy=0.9, test_loss=0.3),
            evaluation_record(commit=2, split="validation", test_accuracy=0.7, test_loss=0.5),
            evaluation_record(commit=2, test_accuracy=0.6, test_loss=0.8),
        ]
        summary = summarize(schedule(1), [commit_record()], evaluations, wall_seconds=8.0)
        assert (summary["validation_accuracy"], summary["validation_loss"]) == (0.7, 0.5)
        assert (summary["best_validation_accuracy"], summary["best_test_accuracy"]) == (0.9, 0.6)
        assert (summary["test_accuracy"], summary["test_loss"]) == (0.6, 0.8)

    def test_without_accuracy_the_best_is_the_lowest_loss(self):
        none = dict(test_accuracy=None)
        evaluations = [
            evaluation_record(commit=1, **none, test_loss=0.2, test_metrics={"auc": 0.7}),
            evaluation_record(commit=2, **none, test_loss=0.4, test_metrics={"auc": 0.8}),
        ]
        summary = summarize(schedule(1), [commit_record()], evaluations, wall_seconds=8.0)
        assert (summary["test_accuracy"], summary["best_test_accuracy"]) == (None, None)
        assert (summary["test_loss"], summary["best_test_loss"]) == (0.4, 0.2)
        assert summary["test_metrics"] == {"auc": 0.8}
        plain = summarize(schedule(1), [commit_record()], [evaluation_record()], wall_seconds=8.0)
        assert summary.keys() - plain.keys() == {"best_test_loss", "test_metrics"}

    def test_extra_time_where_other_plans_held_before(self):
        # By the plan a large worker's 600 samples in 6 steps take 0.72 s; this one's 300 in 3
        # take half of that, and its 200 in batches of 50 take 0.2 + 4 · 0.02 = 0.28 s. All took
        # 5 times as long, and so would the baseline's 0.6 s.
        large = dict(role="large", worker=1, batch=100)
        commits = [
            commit_record(commit=1, **large, samples=300, seconds=5 * 0.36),
            commit_record(commit=2, **{**large, "batch": 50}, samples=200, seconds=5 * 0.28),
            commit_record(commit=3, **large, samples=600, seconds=5 * 0.72),
            commit_record(commit=4, role="small", samples=400, seconds=3.3),
        ]
        summary = summarize(schedule(1), commits, [evaluation_record()], wall_seconds=8.0)
        assert summary["realised_extra_time_ratio"] == pytest.approx(3.3 / (5 * 0.6))

    def test_with_one_role_only_there_is_no_imbalance(self):
        large = summarize(
            schedule(small_workers=0),
            [commit_record(role="large", batch=100, samples=500, seconds=2.0)],
            [evaluation_record()],
            wall_seconds=2.0,
        )
        assert large["load_imbalance"] is None
        assert large["realised_extra_time_ratio"] == pytest.approx(1.0)
        small = summarize(
            schedule(small_workers=2), [commit_record()], [evaluation_record()], wall_seconds=2.0
        )
        assert small["load_imbalance"] is None
        assert small["realised_extra_time_ratio"] is None

    def test_a_role_that_the_plan_has_no_more_is_not_compared(self):
        commits = [
            commit_record(commit=1, role="small", samples=400, seconds=9.0),
            commit_record(commit=2, role="large", batch=100, samples=500, seconds=3.0),
        ]
        evaluations = [evaluation_record(commit=2)]
        summary = summarize(schedule(small_workers=0), commits, evaluations, wall_seconds=8.0)
        assert summary["load_imbalance"] is None
        assert summary["median_small_seconds"] is None
        assert summary["realised_extra_time_ratio"] == pytest.approx(1.0)
        assert summary["small_mini_epochs"] == 1

    def test_versions_are_those_installed(self):
        summary = summarize(schedule(0), [commit_record()], [evaluation_record()], 1.0)
        assert summary["versions"]["tensorflow"] == metadata.version("tensorflow")
