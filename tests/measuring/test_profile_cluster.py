"""Which profiles are kept between runs, and which are measured again."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dbsl_tf.common.errors import ClusterError, UserError
from dbsl_tf.config import load_config
from dbsl_tf.measuring.profile_cluster import cached_profile
from dbsl_tf.profiling.fitting import WorkerPoints, fit_resolution
from dbsl_tf.profiling.profile_file import Point, Profile, load_profile
from dbsl_tf.resolved import settings_of

CONFIG = str(Path(__file__).parents[2] / "configs" / "quickstart.yaml")
UNKNOWN_TIMES = ("time_model.a=null", "time_model.b=null", "time_model.overhead=0")
IMPOSSIBLE = "dual_batch.extra_time_ratio=5"


def _profile(sizes: tuple[int, ...] = (4, 64), b: float = 0.01, resolution: int = 32) -> Profile:
    points = tuple(Point(size, 1e-3 * size + b) for size in sizes)
    fit = fit_resolution(resolution, {0: WorkerPoints(None, points)}, "ols")
    return Profile((fit,), "ols")


class TestCachedProfile:
    @pytest.fixture(autouse=True)
    def _set_up(self, tmp_path, monkeypatch):
        folder = str(tmp_path)
        monkeypatch.setenv("XDG_CACHE_HOME", folder)
        monkeypatch.setattr(subprocess, "run", self._measure)
        self.measured = _profile()
        self.measurements = 0
        self.lines: list[str] = []

    def _measure(self, command: list[str], **_: object) -> subprocess.CompletedProcess:
        """Stands for the process that measures: it leaves `self.measured`."""
        self.measurements += 1
        if self.measured is not None:
            self.measured.save(Path(command[command.index("--output") + 1]))
        return subprocess.CompletedProcess(command, 0 if self.measured else 1)

    def ask(self, *overrides: str) -> Path:
        overrides = (*UNKNOWN_TIMES, *overrides)
        settings = settings_of(load_config(CONFIG, overrides))
        return cached_profile(settings, CONFIG, overrides, self.lines.append)

    def test_it_is_measured_once(self):
        path = self.ask()
        assert load_profile(path) == self.measured
        assert "measuring it first" in self.lines[-1]
        assert self.ask("dual_batch.extra_time_ratio=1.15") == path
        assert self.measurements == 1
        assert self.lines[-1] == f"time model: measured before, {path}"

    def test_an_impossible_plan_is_told_at_once_and_costs_no_profile(self):
        path = self.ask()
        kept = path.read_bytes()
        with pytest.raises(UserError, match="extra_time_ratio"):
            self.ask(IMPOSSIBLE)
        assert self.measurements == 1
        assert path.read_bytes() == kept

    def test_a_profile_measured_for_an_impossible_plan_serves_a_possible_one(self):
        path = self.ask(IMPOSSIBLE)
        assert self.ask() == path
        assert self.measurements == 1

    def test_one_for_other_batches_is_measured_again(self):
        self.measured = _profile(sizes=(4, 32))
        path = self.ask()
        self.measured = _profile()
        assert self.ask() == path
        assert self.measurements == 2
        assert load_profile(path) == self.measured

    def test_one_that_cannot_be_read_is_measured_again(self):
        path = self.ask()
        path.write_text("{}")
        self.ask()
        assert self.measurements == 2
        assert load_profile(path) == self.measured

    def test_one_that_gives_no_time_model_is_not_kept(self):
        self.measured = _profile(b=-0.001)
        with pytest.raises(UserError, match="the profile's b"):
            self.ask()
        self.measured = _profile()
        self.ask()
        assert self.measurements == 2

    def test_a_failed_measurement_leaves_the_profile_that_was_there(self):
        self.measured = _profile(sizes=(4, 32))
        path = self.ask()
        kept = path.read_bytes()
        self.measured = None
        with pytest.raises(ClusterError, match="could not be measured"):
            self.ask()
        assert path.read_bytes() == kept
