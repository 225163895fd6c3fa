"""Which fits a plan may rest on."""

from __future__ import annotations

import random

import pytest

from dbsl_tf.profiling.fitting import profile_measurements
from dbsl_tf.profiling.measurement import Measurement, StepSample
from dbsl_tf.profiling.profile_file import Profile
from dbsl_tf.profiling.trust import doubt_about


def profile(b: float, noise: float, workers: int = 2, slow: float = 1.0) -> Profile:
    """Of workers with a = 1 ms; the last of them is `slow` times as slow."""
    generator = random.Random(2)
    steps = tuple(
        StepSample(
            worker,
            batch,
            (1e-3 * batch + b) * (slow if worker == workers - 1 else 1)
            * (1 + noise * generator.uniform(-1, 1)),
        )
        for worker in range(workers)
        for batch in (4, 8, 16, 32, 64)
        for _ in range(4)
    )  # fmt: skip
    return profile_measurements({32: Measurement(steps)}, {}, {})


def test_clear_times_leave_no_doubt() -> None:
    assert doubt_about(profile(b=0.02, noise=0.02), workers=2) is None
    assert doubt_about(profile(b=0.02, noise=0.02), workers=5, resolution=32) is None


def test_a_b_that_may_be_0_is_named_with_its_interval() -> None:
    text = doubt_about(profile(b=2e-5, noise=0.3), workers=2)
    assert text is not None
    assert text.startswith("b is ") and " ms a batch, which cannot be told from 0" in text
    assert " ± " in text


def test_a_negative_b_is_doubted() -> None:
    assert "b is -" in (doubt_about(profile(b=-3e-3, noise=0.0), workers=2) or "")


def test_the_fit_of_a_single_worker_counts_where_workers_differ() -> None:
    """The last worker's times are 3 times as long, so that each has its own."""
    assert doubt_about(profile(b=0.02, noise=0.02, slow=3.0), workers=2) is None
    text = doubt_about(profile(b=-1e-3, noise=0.01, slow=3.0), workers=2)
    assert text is not None and "b of worker 0 is -" in text


def test_a_resolution_that_was_not_measured_is_doubted() -> None:
    assert "not resolution 24" in (doubt_about(profile(0.02, 0.01), 2, resolution=24) or "")


def test_two_points_tell_nothing() -> None:
    steps = (StepSample(0, 4, 0.01), StepSample(0, 8, 0.015))
    two = profile_measurements({32: Measurement(steps)}, {}, {})
    assert doubt_about(two, workers=1) == "two times alone do not tell how far a is from 0"


@pytest.mark.parametrize("workers", [1, 2])
def test_exact_times_are_trusted(workers) -> None:
    assert doubt_about(profile(b=0.01, noise=0.0, workers=workers), workers=workers) is None
