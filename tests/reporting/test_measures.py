"""Figures that sum runs up, and their curves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dbsl_tf.planning.time_model import TimeModel
from dbsl_tf.reporting.comparison import Group, group_runs
from dbsl_tf.reporting.curves import group_curve, run_curves
from dbsl_tf.reporting.measures import measures, steady, time_against_all_large, worker_times
from dbsl_tf.reporting.reading import read_run
from dbsl_tf.reporting.recorded_run import Evaluation, MiniEpoch, RecordedRun
from tests.support.records import commit_record, evaluation_record
from tests.support.run_directories import make_run


def _mini_epoch(commit: int, worker: int, seconds: float, **values) -> MiniEpoch:
    recorded = dict(
        commit=commit, epoch=(commit + 1) // 2, worker=worker, staleness=worker, seconds=seconds,
        loop_seconds=seconds * 0.9, samples=25, steps=3, role="small" if worker == 0 else "large",
    )  # fmt: skip
    return MiniEpoch(**{**vars(commit_record(**recorded)), **values}, begin=0.0)


def test_the_first_mini_epoch_of_a_worker_is_not_timed() -> None:
    run = RecordedRun(
        path=Path("run"),
        workers=2,
        mini_epochs=(
            _mini_epoch(1, 0, 9.0),
            _mini_epoch(2, 1, 8.0),
            _mini_epoch(3, 0, 3.0),
            _mini_epoch(4, 0, 3.0),
        ),
        time_models={None: (TimeModel(0.1, 0.05, 0.5),) * 2},
    )
    assert [m.commit for m in steady(run.mini_epochs)] == [3, 4]
    small, large = worker_times(run)
    assert small.seconds.median == 3.0
    assert small.batch_seconds.median == pytest.approx(0.9)
    # 25 samples in 3 steps: a 25/3 + b a step, a 25 + b 3 + c altogether.
    assert small.predicted_batch_seconds == pytest.approx(0.1 * 25 / 3 + 0.05)
    assert small.predicted_seconds == pytest.approx(2.5 + 0.15 + 0.5)
    assert small.ratio == pytest.approx(0.9 / (0.1 * 25 / 3 + 0.05))
    assert large.seconds.median == 8.0  # it has no other


def test_a_run_without_records_has_no_measures() -> None:
    found = measures(RecordedRun(path=Path("run"), workers=2))
    assert found.last is found.best is found.wall_seconds is found.images_per_second is None
    assert found.load_imbalance is found.busy is found.mean_staleness is None


def test_measures_agree_with_the_summary(tmp_path: Path) -> None:
    make_run(tmp_path / "run", "schedule.epochs=5")
    run = read_run(tmp_path / "run")
    found = measures(run)
    assert found.last.test_accuracy == run.summary["test_accuracy"]
    assert found.best.test_accuracy == run.summary["best_test_accuracy"]
    assert found.load_imbalance == pytest.approx(run.summary["load_imbalance"], rel=1e-6)
    assert found.mean_staleness == run.summary["mean_staleness"]
    assert found.images_per_second == pytest.approx(run.summary["images_per_second"])
    assert 0.8 < found.busy < 1


def test_time_is_compared_with_finished_all_large_runs_of_the_same_length() -> None:
    def run(name: str, small: int, seconds: float, epochs: int = 2, finished: bool = True):
        return RecordedRun(
            path=Path(name),
            workers=2,
            config={"dual_batch.small_workers": small, "schedule.epochs": epochs},
            summary={"wall_seconds": seconds} if finished else {},
        )

    def ratios(*runs: RecordedRun) -> list[float | None]:
        return time_against_all_large(group_runs(runs))

    assert ratios(run("a", 0, 10.0), run("b", 1, 11.0)) == [1.0, pytest.approx(1.1)]
    assert ratios(run("a", 0, 10.0), run("b", 1, 11.0, epochs=3)) == [1.0, None]
    assert ratios(run("a", 0, 10.0), run("b", 1, 11.0, finished=False)) == [1.0, None]
    assert ratios(run("a", 1, 10.0), run("b", 2, 11.0)) == [None, None]


def _evaluated(name: str, accuracies: dict[int, float], finished: bool = True) -> RecordedRun:
    return RecordedRun(
        path=Path(name),
        workers=2,
        summary={"x": 1} if finished else {},
        evaluations=tuple(
            Evaluation(
                **vars(evaluation_record(commit=commit, test_accuracy=accuracy)),
                epochs=commit / 2,
                begin=commit,
                end=commit + len(name),
            )
            for commit, accuracy in accuracies.items()
        ),
    )


def test_a_group_is_averaged_where_all_of_its_runs_were_evaluated() -> None:
    runs = (_evaluated("a", {2: 0.1, 4: 0.2, 6: 0.3}), _evaluated("bcd", {2: 0.3, 4: 0.4}, False))
    curve = group_curve(Group("k", runs), "accuracy", "time")
    assert curve.label == "k (1 of 2 runs not finished)"
    assert curve.x == (4.0, 6.0)  # means of 3 and 5, of 5 and 7
    assert curve.y == pytest.approx((0.2, 0.3))
    assert curve.deviations == pytest.approx((0.02**0.5, 0.02**0.5))
    assert group_curve(Group("k", runs), "accuracy", "epoch").x == (1.0, 2.0)


def test_training_curves_are_weighted_by_samples() -> None:
    run = RecordedRun(
        path=Path("run"),
        workers=2,
        mini_epochs=(
            _mini_epoch(1, 0, 1.0, samples=30, train_loss=1.0),
            _mini_epoch(2, 0, 2.0, samples=10, train_loss=3.0),
            replace(_mini_epoch(3, 0, 3.0), train_loss=None),
        ),
    )
    (small,) = run_curves(run, "loss", "time")
    assert (small.x, small.y) == ((2.0,), (1.5,))
