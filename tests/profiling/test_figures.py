"""Pictures of profiles: that they are drawn, and what is on them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dbsl_tf.profiling.batch_times_file import profile_batch_times
from dbsl_tf.profiling.figures import plot_profile
from dbsl_tf.profiling.fitting import profile_measurements
from dbsl_tf.profiling.measurement import Measurement, StepSample
from dbsl_tf.profiling.profile_file import Profile

pytest.importorskip("matplotlib")

SIZES = (4, 8, 16, 32, 64)


def _workers(count: int) -> Profile:
    steps = tuple(
        StepSample(worker, size, (worker + 1) * 1e-3 * size + 0.01 + 0.001 * repeat)
        for worker in range(count)
        for size in SIZES
        for repeat in (0, 1)
    )
    settings = {"model": "resnet8", "epoch_samples": 1437}
    return profile_measurements({32: Measurement(steps)}, settings, {"device": "a processor"})


def _texts(profile: Profile, path: Path) -> str:
    """What an SVG says: matplotlib leaves the text of its glyphs in comments."""
    plot_profile(profile, path)
    return " | ".join(re.findall("<!-- (.*?) -->", path.read_text(encoding="utf-8")))


def test_one_curve_a_worker(tmp_path: Path) -> None:
    texts = _texts(_workers(2), tmp_path / "figure.svg")
    assert "worker 0: 1 B + 10.5 ms" in texts
    assert "worker 1: 2 B + 10.5 ms" in texts
    assert "time of a batch, ms" in texts
    assert "time of 1,437 samples on one worker, s" in texts
    assert "resnet8, a processor" in texts


def test_many_workers_are_one_curve(tmp_path: Path) -> None:
    texts = _texts(_workers(9), tmp_path / "figure.svg")
    assert "mean of 9 workers" in texts
    assert "worker 0" not in texts


def test_one_curve_a_resolution(tmp_path: Path) -> None:
    times = tmp_path / "times.csv"
    rows = [f"{r},{size},{r * size * 1e-4 + 0.02}" for r in (24, 32) for size in range(5, 300, 5)]
    times.write_text("resolution,batch_size,seconds_per_batch\n" + "\n".join(rows))
    texts = _texts(profile_batch_times(times), tmp_path / "figure.svg")
    assert "resolution 24: 2.4 B + 20 ms" in texts
    assert "resolution 32: 3.2 B + 20 ms" in texts
    assert "time of 10,000 samples on one worker, s" in texts
