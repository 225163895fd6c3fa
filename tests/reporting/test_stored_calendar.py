"""Which commits of a stored run are an epoch, and what its report makes of it."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path

import pytest

from dbsl_tf.reporting.comparison import group_runs
from dbsl_tf.reporting.curves import run_curves
from dbsl_tf.reporting.measures import measures, worker_times
from dbsl_tf.reporting.page import render_page
from dbsl_tf.reporting.reading import read_run
from dbsl_tf.reporting.stored_calendar import calendar_of
from dbsl_tf.schedules.calendar import Calendar, Stretch
from tests.support.run_directories import make_run

# Epochs 1 and 2 with four mini-epochs of each worker, 3 with one, and 4 and 5 in one.
MERGES = (
    "schedule.epochs=5",
    "schedule.milestones=[2]",
    "schedule.gamma=0.5",
    "schedule.mini_epochs_per_epoch=4",
    "schedule.merge_interval=quadratic",
    "schedule.final_local_epochs=2",
)


class TestCalendarOf:
    def test_a_plan_says_it(self, tmp_path: Path) -> None:
        run = read_run(make_run(tmp_path / "run", *MERGES).path)
        often = [run.calendar.mini_epochs(epoch) for epoch in range(1, 6)]
        assert often == [4, 4, 1, Fraction(1, 2), Fraction(1, 2)]
        assert (run.asked_commits, len(run.mini_epochs), run.finished) == (20, 20, True)

    def test_else_the_configuration(self) -> None:
        config = {"schedule.epochs": 5, "schedule.mini_epochs_per_epoch": 3}
        found = calendar_of({**config, "schedule.final_local_epochs": 2}, {}, 2)
        assert found == Calendar(2, 5, stretches=(Stretch(3, Fraction(3)),), local_epochs=2)
        # What cannot be of this run says nothing.
        for part in (
            {"first_epoch": 1, "last_epoch": 4, "mini_epochs": 4},
            {"first_epoch": 1, "last_epoch": 5},
            {"first_epoch": 2, "last_epoch": 5, "mini_epochs": 4},
            {"first_epoch": 1, "last_epoch": 5, "mini_epochs": 7},
        ):
            assert calendar_of(config, {"schedule": [part]}, 2).total == 30
        assert calendar_of({}, {}, 2).epoch_at(6) == 4
        assert calendar_of({"schedule.epochs": 0, **{"schedule.mini_epochs_per_epoch": "x"}}, {}, 1)


class TestReport:
    def test_epochs_of_evaluations_and_curves(self, tmp_path: Path) -> None:
        run = read_run(make_run(tmp_path / "run", *MERGES).path)
        assert [(e.commit, e.epochs) for e in run.evaluations] == [
            (8, 1.0),
            (16, 2.0),
            (18, 3.0),
            (20, 5.0),
        ]
        assert [m.epoch for m in run.mini_epochs] == [1] * 8 + [2] * 8 + [3] * 2 + [5] * 2
        (rates,) = run_curves(run, "learning rate", "epoch")
        # Half of it from epoch 2 on.
        assert rates.x == (0.0, 2.0, 2.0, 5.0)

    def test_times_of_mini_epochs_of_one_length_are_compared(self, tmp_path: Path) -> None:
        run = read_run(make_run(tmp_path / "run", *MERGES).path)
        found = worker_times(run)
        assert [times.mini_epochs for times in found] == [8, 1, 1] * 2
        for times in found:
            assert times.seconds.median == pytest.approx(times.predicted_seconds, rel=0.1)
        assert measures(run).load_imbalance == pytest.approx(1.0, rel=0.1)
        summary = json.loads((run.path / "summary.json").read_text())
        assert summary["median_large_seconds"] == pytest.approx(found[3].predicted_seconds, rel=0.1)
        assert summary["realised_extra_time_ratio"] == pytest.approx(
            summary["planned_extra_time_ratio"], rel=0.1
        )

    def test_the_page_says_how_often_epochs_are_merged(self, tmp_path: Path) -> None:
        runs = [make_run(tmp_path / "run", *MERGES), make_run(tmp_path / "plain")]
        page, plain = (render_page(group_runs([read_run(run.path)])) for run in runs)
        text = " ".join(re.sub(r"<[^>]*>", " ", page).split())
        assert "What every worker trains in a mini-epoch, 4 of which are an epoch" in text
        assert "mini-epochs of a worker" in text
        assert "What every worker trains in an epoch" in plain
        assert "mini-epochs of a worker" not in plain
