"""Measurements that are kept until there are enough of them."""

from __future__ import annotations

from pathlib import Path

from dbsl_tf.profiling.fitting import profile_measurements
from dbsl_tf.profiling.kept_measurements import KeptMeasurements, load_measurements, together
from dbsl_tf.profiling.measurement import Measurement, MemorySample, OverheadSample, StepSample


def rounds(count: int, sizes: tuple[int, ...], a: float = 1e-3, b: float = 0.02):
    return tuple(
        tuple(StepSample(worker, size, a * size + b) for worker in (0, 1) for size in sizes)
        for _ in range(count)
    )


FIRST = Measurement(
    steps=tuple(StepSample(0, size, 1e-3 * size) for size in (4, 16)),
    operating=rounds(2, (10, 50)),
    overheads=(OverheadSample(0, 0.5),),
    memory=(MemorySample(0, 4, 10**9),),
    free_bytes=10**10,
    warm_up=(StepSample(0, 64, 9.0),),
)


def test_they_are_read_back(tmp_path: Path) -> None:
    kept = KeptMeasurements({24: Measurement(()), 32: FIRST}, seconds=12.5)
    path = tmp_path / "folder" / "measured.json"
    kept.save(path)
    assert load_measurements(path) == kept


def test_a_file_that_is_missing_or_damaged_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    nothing = KeptMeasurements()
    assert load_measurements(path) == nothing
    KeptMeasurements({32: FIRST}).save(path)
    text = path.read_text()
    for damaged in ("", "[]", "{}x", text.replace("0.5", "0.7"), '{"by_resolution": {"a": 1}}'):
        path.write_text(damaged)
        assert load_measurements(path) == nothing


def test_the_next_measurement_goes_on_from_the_one_before() -> None:
    more = Measurement(steps=(StepSample(1, 8, 0.1),), operating=rounds(3, (10, 50)))
    both = together(FIRST, more)
    assert both.steps == FIRST.steps + more.steps
    assert both.operating == FIRST.operating + more.operating
    assert (both.overheads, both.memory, both.free_bytes, both.warm_up) == (
        FIRST.overheads, FIRST.memory, FIRST.free_bytes, FIRST.warm_up,
    )  # fmt: skip
    assert together(FIRST, Measurement(())) == FIRST
    assert together(Measurement(()), FIRST) == FIRST


def test_rounds_of_other_sizes_become_a_part_of_the_scan() -> None:
    more = Measurement(steps=(), operating=rounds(3, (20, 50)))
    both = together(FIRST, more)
    assert both.operating == more.operating
    assert len(both.steps) == 2 + 2 * 4
    (fit,) = profile_measurements({32: both}, {}, {}).fits
    assert fit.fitted_range == (20, 50)


def test_about_how_long_a_sample_takes() -> None:
    kept = KeptMeasurements(
        {
            16: Measurement((), warm_up=(StepSample(0, 8, 1.6), StepSample(0, 4, 1.2))),
            24: Measurement((StepSample(0, 4, 1.0), StepSample(0, 8, 1.6), StepSample(1, 8, 2.4))),
            32: FIRST,
        }
    )
    assert kept.seconds_per_sample(16) == 0.2
    assert abs(kept.seconds_per_sample(24) - 0.3) < 1e-9
    assert kept.seconds_per_sample(48) is None
    assert KeptMeasurements({32: Measurement(())}).seconds_per_sample(32) is None
