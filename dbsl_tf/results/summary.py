"""The result of a finished run, from its plan and its records."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from dbsl_tf.common.versions import package_versions
from dbsl_tf.planning import DualBatchPlan, TrainingSchedule
from dbsl_tf.planning.dual_batch import ROLES
from dbsl_tf.results.records import (
    GLOBAL_WEIGHTS,
    TEST,
    VALIDATION,
    CommitRecord,
    EvaluationRecord,
    Split,
)

_PACKAGES = ("tensorflow", "keras-core", "keras-cv", "keras", "numpy")


def summarize(
    schedule: TrainingSchedule,
    commits: Sequence[CommitRecord],
    evaluations: Sequence[EvaluationRecord],
    wall_seconds: float,
) -> dict[str, Any]:
    """Returns the content of summary.json.

    - `wall_seconds` runs from the first mini-epoch handed out to the last result, evaluation
      included; starting servers and tracing are not included.
    - `planned_seconds` includes neither evaluations nor changes of resolution.
    - Medians and ratios are over all mini-epochs of a role at the highest resolution, in epochs
      that are merged most often, under whichever plan, provided that the present plan has that
      role.
    - `realised_extra_time_ratio` is an estimate of k from this run alone: the slower role's median
      mini-epoch over the time that a mini-epoch of the all-large baseline (d/n samples with B_L)
      takes at the observed speed of the large workers. That time is the baseline's predicted time,
      times the median ratio of observed to predicted time over the large workers' mini-epochs. None
      if no large worker ran. As large workers may run at another speed beside small ones than in an
      all-large run, only the times of two runs give the true ratio.
    - `test_accuracy` and `best_test_accuracy` are None if the objective has no accuracy; then there
      is `best_test_loss`. There is `test_metrics` if there are other metrics.
    - There is `test_weights` if others than the global weights were evaluated: which, in words.
    - There is the same with `validation` for `test` if samples are held out for it.
    """
    plan = schedule.plain
    evaluations = [r for r in evaluations if r.resolution == schedule.highest_resolution]
    samples = sum(record.samples for record in commits)
    highest = _of_plan(schedule, commits)
    # A run resumed with another configuration may have had both roles before.
    small, large = (_median_seconds(highest, role) if plan.count(role) else None for role in ROLES)
    return {
        **_measured(evaluations, TEST),
        **_measured(evaluations, VALIDATION),
        "commits": len(commits),
        "samples": samples,
        "wall_seconds": wall_seconds,
        "planned_seconds": schedule.predicted_seconds,
        "images_per_second": samples / wall_seconds,
        "planned_extra_time_ratio": plan.realised_extra_time_ratio,
        "realised_extra_time_ratio": _realised_extra_time_ratio(plan, highest, (small, large)),
        "load_imbalance": small / large if small and large else None,
        "small_mini_epochs": sum(record.role == "small" for record in commits),
        "large_mini_epochs": sum(record.role == "large" for record in commits),
        "median_small_seconds": small,
        "median_large_seconds": large,
        "mean_staleness": sum(record.staleness for record in commits) / len(commits),
        "versions": package_versions(*_PACKAGES),
    }


def _of_plan(schedule: TrainingSchedule, commits: Sequence[CommitRecord]) -> Sequence[CommitRecord]:
    """Returns the mini-epochs at the highest resolution that are as long as its plan's."""
    parts = [
        (part.sub_stage.first_epoch, part.sub_stage.last_epoch)
        for part in schedule.sub_stages
        if part.plan.mini_epochs == schedule.plain.mini_epochs
    ]
    return [
        record
        for record in commits
        if record.resolution == schedule.highest_resolution
        and any(first <= record.epoch <= last for first, last in parts)
    ]


def _measured(evaluations: Sequence[EvaluationRecord], split: Split) -> dict[str, Any]:
    evaluations = [record for record in evaluations if record.split == split]
    if not evaluations:
        return {}
    last = evaluations[-1]
    accuracies = [r.test_accuracy for r in evaluations if r.test_accuracy is not None]
    measured: dict[str, Any] = {
        f"{split}_loss": last.test_loss,
        f"{split}_accuracy": last.test_accuracy,
        f"best_{split}_accuracy": max(accuracies, default=None),
    }
    if not accuracies:
        measured[f"best_{split}_loss"] = min(record.test_loss for record in evaluations)
    if last.weights != GLOBAL_WEIGHTS:
        measured[f"{split}_weights"] = last.weights
    if last.test_metrics:
        measured[f"{split}_metrics"] = last.test_metrics
    return measured


def _median_seconds(commits: Sequence[CommitRecord], role: str) -> float | None:
    seconds = [record.seconds for record in commits if record.role == role]
    return median(seconds) if seconds else None


def _realised_extra_time_ratio(
    plan: DualBatchPlan, commits: Sequence[CommitRecord], medians: Sequence[float | None]
) -> float | None:
    models = {worker.index: worker.time_model for worker in plan.workers}
    # After drift, or resuming with another configuration, a worker's samples and batches differ.
    large = [
        r.seconds / models[r.worker].mini_epoch_seconds(r.samples, r.batch)
        for r in commits
        if r.role == "large"
    ]
    if not large or not plan.count("large"):
        return None
    slowest = max(seconds for seconds in medians if seconds is not None)
    return slowest / (plan.baseline_seconds * median(large))
