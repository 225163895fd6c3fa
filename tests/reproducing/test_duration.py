"""How long a grid will take."""

from __future__ import annotations

import pytest

from dbsl_tf.common.cores import core_count
from dbsl_tf.reproducing.duration import Progress, expected_seconds, in_words
from dbsl_tf.reproducing.published import SmallSpeed, choose
from dbsl_tf.reproducing.runs import runs_of
from dbsl_tf.resolved import settings_of, time_models_of
from dbsl_tf.sweeping.planned_run import PlannedRun

SPEED = SmallSpeed(seconds_per_sample=0.001, pixels=32, seconds_per_batch=0.01, seconds_per_run=5.0)
SHORT = ("schedule.epochs=2", "schedule.milestones=[1]")


def finish(run: PlannedRun, seconds: float) -> None:
    run.directory.path.mkdir(parents=True)
    run.directory.write_json(run.directory.summary, {"wall_seconds": seconds})


def expected(run: PlannedRun, speed: SmallSpeed | None, cores: int) -> float:
    settings = settings_of(run.config)
    return expected_seconds(settings.schedule(time_models_of(settings)), speed, cores)


class TestExpected:
    def test_all_steps_on_the_cores_that_there_are(self, tmp_path):
        run = runs_of(choose("dual_batch"), "small", SHORT, 1, tmp_path)[0]
        # Two epochs of four workers: 12,500 samples each in 25 batches of 500.
        work = 2 * 4 * (12_500 * 0.001 + 25 * 0.01)
        assert expected(run, SPEED, 2) == pytest.approx(5 + work / 2)
        assert expected(run, SPEED, 64) == pytest.approx(5 + work / 4)

    def test_small_images_take_less(self, tmp_path):
        runs = runs_of(choose("hybrid"), "small", [], 1, tmp_path)
        large = 4 * (12_500 * 0.001 + 23 * 0.01)  # batches of 560
        small = 4 * (12_500 * 0.001 * (24 / 32) ** 2 + 21 * 0.01)  # batches of 600
        assert expected(runs[0], SPEED, 1) == pytest.approx(5 + 14 * large)
        assert expected(runs[9], SPEED, 1) == pytest.approx(5 + 7 * large + 7 * small)

    def test_at_full_scale_the_time_model_counts(self, tmp_path):
        run = runs_of(choose("dual_batch"), "full", [], 1, tmp_path)[0]
        # 140 epochs of 25 batches of 500.
        seconds = 140 * 25 * (500 * 0.00056607 + 0.0140412)
        assert expected(run, None, 2) == pytest.approx(seconds, rel=1e-6)


class TestProgress:
    def test_what_finished_runs_took_corrects_the_expectation(self, tmp_path):
        runs = runs_of(choose("dual_batch"), "small", SHORT, 1, tmp_path)
        progress = Progress(runs, SPEED)
        before = progress.seconds()
        assert before > 9 * (5 + 2 * 50 / core_count())
        assert progress.outlook().startswith("9 runs, 0 finished; the others take about ")
        assert "EPYC" in progress.outlook()
        first = expected(runs[0], SPEED, core_count())
        finish(runs[0], 3 * first)
        assert progress.seconds() == pytest.approx(3 * (before - first))
        assert "9 runs, 1 finished" in progress.outlook()
        assert progress.outlook().endswith("after what the finished ones took")
        assert progress.remark() == f" (about {in_words(progress.seconds())} left)"

    def test_when_all_are_finished_nothing_is_left(self, tmp_path):
        runs = runs_of(choose("dual_batch"), "small", SHORT, 1, tmp_path)[:1]
        finish(runs[0], 1.0)
        assert Progress(runs, SPEED).outlook() == "1 runs, 1 finished"

    def test_a_time_model_that_is_yet_to_be_measured_predicts_nothing(self, tmp_path):
        unknown = [*SHORT, "time_model.a=null", "time_model.b=null"]
        runs = runs_of(choose("dual_batch"), "full", unknown, 1, tmp_path)
        progress = Progress(runs, None)
        assert (progress.seconds(), progress.remark()) == (None, "")
        assert "when the time model is measured" in progress.outlook()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *((0, "1 min"), (89, "1 min"), (3540, "59 min"), (3600, "1 h"), (3900, "1 h 5 min")),
        *((47 * 3600, "47 h"), (48 * 3600, "2 days"), (75 * 3600, "3 days 3 h")),
    ],
)
def test_in_words(seconds, words):
    assert in_words(seconds) == words
