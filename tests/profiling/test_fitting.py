"""Profiles from measurements whose workers are known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.profiling.fitting import profile_measurements
from dbsl_tf.profiling.measurement import Measurement, MemorySample, OverheadSample, StepSample

SIZES = (4, 8, 16, 32, 64)
LINES = ((1e-3, 0.01), (3e-3, 0.02))  # a and b of the two workers
MIB = 2**20
MEASUREMENT = Measurement(
    steps=tuple(
        StepSample(worker, size, a * size + b)
        for size in SIZES
        for worker, (a, b) in enumerate(LINES)
        for _ in range(3)
    ),
    overheads=tuple(
        OverheadSample(worker, 0.1 * (worker + 1) + jitter)
        for worker in (0, 1)
        for jitter in (-0.001, 0, 0, 5)
    ),
    memory=tuple(MemorySample(1, size, (100 + 2 * size) * MIB) for size in SIZES),
    free_bytes=300 * MIB,
    evaluation_seconds=0.5,
    merge_seconds=0.01,
)


def _profile(measurement: Measurement = MEASUREMENT, **options):
    return profile_measurements({32: measurement}, {"model": "resnet8"}, {"workers": 2}, **options)


def test_each_worker_has_its_line_and_all_have_their_mean() -> None:
    (times,) = _profile().fits
    assert times.resolution == 32
    assert [worker.worker for worker in times.workers] == [0, 1]
    for worker, (a, b) in zip(times.workers, LINES):
        assert (worker.a, worker.b) == (pytest.approx(a), pytest.approx(b))
        assert len(worker.points) == len(worker.residuals) == 15
    assert (times.a, times.b) == (pytest.approx(2e-3), pytest.approx(0.015))
    assert [point.batch for point in times.points] == list(SIZES)


def test_every_resolution_has_its_own_lines() -> None:
    steps = tuple(replace(s, seconds_per_batch=s.seconds_per_batch / 2) for s in MEASUREMENT.steps)
    low = Measurement(steps)
    profile = profile_measurements({16: low, 32: MEASUREMENT}, {}, {})
    assert [(times.resolution, times.a) for times in profile.fits] == [
        (16, pytest.approx(1e-3)),
        (32, pytest.approx(2e-3)),
    ]
    assert profile.time_models(2, 16)[1].seconds_per_batch == pytest.approx(0.01)
    assert profile.memory is not None and profile.merge_seconds == 0.01


def test_overheads_are_medians() -> None:
    (times,) = _profile().fits
    assert [worker.overhead for worker in times.workers] == [
        pytest.approx(0.1),
        pytest.approx(0.2),
    ]
    assert times.overhead == pytest.approx(0.15)


def test_without_overheads_there_is_none() -> None:
    (times,) = _profile(replace(MEASUREMENT, overheads=())).fits
    assert (times.overhead, times.workers[0].overhead) == (0, 0)


def test_an_overhead_below_zero_is_none() -> None:
    (times,) = _profile(replace(MEASUREMENT, overheads=(OverheadSample(0, -0.01),))).fits
    assert times.workers[0].overhead == 0


def test_one_disturbed_repetition_does_not_move_the_mean_of_the_workers() -> None:
    disturbed = replace(MEASUREMENT.steps[0], seconds_per_batch=9.0)
    (times,) = _profile(replace(MEASUREMENT, steps=(disturbed, *MEASUREMENT.steps[1:]))).fits
    assert (times.a, times.b) == (pytest.approx(2e-3), pytest.approx(0.015))
    assert times.workers[0].a == pytest.approx(1e-3, rel=1e-3)


def test_differences_that_are_not_above_zero_are_left_out() -> None:
    noise = (StepSample(0, 4, -0.001), StepSample(1, 8, 0.0))
    assert _profile(replace(MEASUREMENT, steps=MEASUREMENT.steps + noise)) == _profile()


def test_memory_is_fitted_and_the_largest_batch_found() -> None:
    memory = _profile().memory
    assert memory.bytes_per_sample == pytest.approx(2 * MIB)
    assert (memory.budget, memory.largest_batch) == (300 * MIB, pytest.approx(100, abs=1))
    assert [point.batch for point in memory.points] == list(SIZES)


def test_a_budget_takes_the_place_of_what_is_free() -> None:
    assert _profile(memory_budget=200 * MIB).memory.largest_batch == pytest.approx(50, abs=1)


def test_memory_that_was_not_measured_is_none() -> None:
    assert _profile(replace(MEASUREMENT, memory=())).memory is None
    assert _profile(replace(MEASUREMENT, free_bytes=None)).memory.largest_batch is None


def test_the_method_reaches_the_fit() -> None:
    noisy = replace(
        MEASUREMENT, steps=(*MEASUREMENT.steps, StepSample(0, 64, 1.0), StepSample(0, 64, 1.0))
    )
    robust, ols = _profile(noisy), _profile(noisy, method="ols")
    assert (robust.method, ols.method) == ("robust", "ols")
    assert robust.fits[0].workers[0].a == pytest.approx(1e-3, rel=0.01)
    assert ols.fits[0].workers[0].a > 2e-3


def test_a_measurement_without_two_usable_sizes_is_refused() -> None:
    for steps in ((), (StepSample(0, 4, 0.1), StepSample(0, 8, -0.1))):
        with pytest.raises(UserError, match="batch size"):
            _profile(replace(MEASUREMENT, steps=steps))


def test_a_worker_with_one_size_leaves_only_the_mean() -> None:
    steps = tuple(step for step in MEASUREMENT.steps if step.worker == 0 or step.batch == SIZES[0])
    assert _profile(replace(MEASUREMENT, steps=steps)).fits[0].workers == ()


def test_lines_go_through_the_sizes_in_use_and_the_scan_only_shows_the_range() -> None:
    bent = tuple(
        replace(step, seconds_per_batch=step.seconds_per_batch + 1e-3 * (step.batch == 4))
        for step in MEASUREMENT.steps
    )
    in_use = tuple(
        tuple(
            StepSample(worker, size, speed * seconds)
            for worker, times in enumerate(((0.03, 0.08), (0.06, 0.2)))
            for size, seconds in zip((16, 64), times)
        )
        for speed in (1.0, 1.2, 0.9, 1.0, 1.1)
    )
    (times,) = _profile(replace(MEASUREMENT, steps=bent, operating=in_use)).fits
    for fit, small, large in zip((*times.workers, times), (0.03, 0.06, 0.045), (0.08, 0.2, 0.14)):
        assert fit.fitted_range == (16, 64)
        assert (fit.batch_seconds(16), fit.batch_seconds(64)) == (
            pytest.approx(small, rel=1e-3),
            pytest.approx(large, rel=1e-3),
        )
        assert len(fit.points) == len(fit.residuals)
    # Five sizes, and five rounds of two sizes.
    assert len(times.points) == 5 + 10


def test_a_line_through_sizes_in_use_needs_no_sound_sample_in_each_round() -> None:
    disturbed = ((StepSample(0, 16, -1.0), StepSample(0, 64, 0.1)),)
    assert _profile(replace(MEASUREMENT, operating=disturbed)).fits == _profile().fits


def test_sizes_in_use_whose_line_has_no_b_leave_the_fit_to_all_points() -> None:
    steep = ((StepSample(0, 32, 0.02), StepSample(0, 64, 0.074)),) * 3
    one = replace(MEASUREMENT, steps=tuple(s for s in MEASUREMENT.steps if s.worker == 0))
    fit = _profile(replace(one, operating=steep)).fits[0].workers[0]
    assert fit.fitted_range == (4, 64)
    assert fit.b > 0
