"""Which profiles are kept between runs, which are measured again, and when that ends."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dbsl_tf.common.errors import ClusterError, UserError
from dbsl_tf.config import load_config
from dbsl_tf.measuring.found_times import FoundTimes, find_times
from dbsl_tf.measuring.profile_cache import measurements_path
from dbsl_tf.measuring.profile_cluster import profile_path
from dbsl_tf.profiling.fitting import WorkerPoints, fit_resolution
from dbsl_tf.profiling.kept_measurements import KeptMeasurements
from dbsl_tf.profiling.measurement import Measurement, StepSample
from dbsl_tf.profiling.profile_file import Point, Profile, load_profile
from dbsl_tf.resolved import settings_of

CONFIG = str(Path(__file__).parents[2] / "configs" / "quickstart.yaml")
UNKNOWN_TIMES = ("time_model.a=null", "time_model.b=null", "time_model.overhead=0")
IMPOSSIBLE = "dual_batch.extra_time_ratio=5"


def _profile(
    sizes: tuple[int, ...] = (4, 16, 64), b: float = 0.01, resolution: int = 32
) -> Profile:
    points = tuple(Point(size, 1e-3 * size + b) for size in sizes)
    fit = fit_resolution(resolution, {0: WorkerPoints(None, points)}, "ols")
    return Profile((fit,), "ols")


class TestFindTimes:
    @pytest.fixture(autouse=True)
    def _set_up(self, tmp_path, monkeypatch):
        folder = str(tmp_path)
        monkeypatch.setenv("XDG_CACHE_HOME", folder)
        monkeypatch.setattr(subprocess, "run", self._measure)
        self.measured: Profile | None = _profile()
        self.kept: KeptMeasurements | None = None
        self.status = 1
        self.measurements = 0
        self.lines: list[str] = []

    def _measure(self, command: list[str], **_: object) -> subprocess.CompletedProcess:
        """Stands for the process that measures: it leaves `self.measured`, or `self.kept`."""
        self.measurements += 1
        if self.measured is not None:
            self.measured.save(Path(command[command.index("--output") + 1]))
            return subprocess.CompletedProcess(command, 0)
        if self.kept is not None:
            self.kept.save(measurements_path(self.path))
        return subprocess.CompletedProcess(command, self.status)

    def ask(self, *overrides: str) -> FoundTimes:
        overrides = (*UNKNOWN_TIMES, *overrides)
        settings = settings_of(load_config(CONFIG, overrides))
        self.path = profile_path(settings)
        return find_times(settings, CONFIG, overrides, self.lines.append)

    def ask_for_profile(self, *overrides: str) -> Path:
        found = self.ask(*overrides)
        assert found == FoundTimes(self.path)
        return self.path

    def test_it_is_measured_once(self):
        path = self.ask_for_profile()
        assert load_profile(path) == self.measured
        assert "measuring it first, at most about 120 s" in self.lines[-1]
        assert self.ask_for_profile("dual_batch.extra_time_ratio=1.15") == path
        assert self.measurements == 1
        assert self.lines[-1] == f"time model: measured before, {path}"

    def test_an_impossible_plan_is_told_at_once_and_costs_no_profile(self):
        path = self.ask_for_profile()
        kept = path.read_bytes()
        with pytest.raises(UserError, match="extra_time_ratio"):
            self.ask(IMPOSSIBLE)
        assert self.measurements == 1
        assert path.read_bytes() == kept

    def test_a_profile_measured_for_an_impossible_plan_serves_a_possible_one(self):
        path = self.ask_for_profile(IMPOSSIBLE)
        assert self.ask_for_profile() == path
        assert self.measurements == 1

    def test_one_for_other_batches_is_measured_again(self):
        self.measured = _profile(sizes=(4, 16, 32))
        path = self.ask_for_profile()
        self.measured = _profile()
        assert self.ask_for_profile() == path
        assert self.measurements == 2
        assert load_profile(path) == self.measured

    def test_one_that_cannot_be_read_is_measured_again(self):
        path = self.ask_for_profile()
        path.write_text("{}")
        self.ask()
        assert self.measurements == 2
        assert load_profile(path) == self.measured

    @pytest.mark.parametrize("doubtful", [_profile(b=-0.001), _profile(sizes=(4, 64))])
    def test_one_in_doubt_that_is_there_from_before_is_measured_again(self, doubtful):
        path = self.ask_for_profile()
        doubtful.save(path)
        assert self.ask_for_profile() == path
        assert self.measurements == 2

    def test_what_was_measured_without_a_result_is_what_training_begins_with(self):
        self.measured = None
        steps = (StepSample(0, 4, 0.02), StepSample(0, 8, 0.024))
        self.kept = KeptMeasurements({32: Measurement(steps)}, seconds=100.0)
        found = self.ask()
        assert found.profile is None and found.doubt
        assert found.seconds_per_sample == {32: 0.003}
        assert not self.path.exists()

    def test_measuring_ends_where_it_comes_to_nothing(self):
        self.measured = None
        for seconds, measurements in ((120.0, 1), (240.0, 2), (360.0, 3), (360.0, 3)):
            self.kept = KeptMeasurements({32: Measurement(())}, seconds, "b is -1")
            found = self.ask()
            assert self.measurements == measurements
            assert found == FoundTimes(None, {}, "b is -1")
        assert "360 s of measurements have given none" in self.lines[-1]

    def test_a_measurement_that_was_lost_does_not_keep_the_run_from_training(self):
        self.measured = None
        for status in (1, -9):
            self.status = status
            assert self.ask() == FoundTimes(None, {}, "it could not be measured")

    def test_a_wrong_configuration_and_an_interruption_do(self):
        self.measured = _profile(sizes=(4, 16, 32))
        kept = self.ask_for_profile().read_bytes()
        self.measured = None
        for status in (2, 130, -15):
            self.status = status
            with pytest.raises(ClusterError, match=f"could not be measured .status {status}."):
                self.ask()
        assert self.path.read_bytes() == kept
