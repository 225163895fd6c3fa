"""Lines through synthetic peaks, whose largest batch is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbsl_tf.profiling.memory_fit import fit_memory

MIB = 2**20
SIZES = np.array([4, 8, 16, 32, 64, 128, 256])
SLOPE, FIXED = 4 * MIB, 500 * MIB


def _fit(peaks: np.ndarray):
    return fit_memory(SIZES.tolist(), [int(peak) for peak in peaks])


@given(seed=st.integers(0, 2**16), floor=st.sampled_from([0, 600 * MIB, 700 * MIB]))
@settings(max_examples=50)
def test_the_largest_batch_is_within_5_percent(seed: int, floor: int) -> None:
    noise = 2 * MIB * np.random.default_rng(seed).standard_normal(len(SIZES))
    fit = _fit(np.maximum(SLOPE * SIZES + FIXED, floor) + noise)
    for limit in (300, 1000, 5000):  # both near the measured sizes and far beyond them
        assert fit.largest_batch(SLOPE * limit + FIXED) == pytest.approx(limit, rel=0.05)


@given(
    budget=st.integers(0, 2**36), floor=st.sampled_from([0, 700 * MIB]), slope=st.integers(1, 2**24)
)
def test_the_largest_batch_fits_and_one_more_does_not(budget: int, floor: int, slope: int) -> None:
    fit = _fit(np.maximum(slope * SIZES + FIXED, floor))
    largest = fit.largest_batch(budget)
    rounding = 1e-6 * fit.peak_bytes(largest)
    if largest > 0:
        assert fit.peak_bytes(largest) <= budget + rounding
    if fit.bytes_per_sample > 0:
        assert fit.peak_bytes(largest + 1) > budget - rounding


def test_small_batches_below_the_peak_of_start_up_do_not_bend_the_line() -> None:
    fit = _fit(np.maximum(SLOPE * SIZES + FIXED, 700 * MIB))
    assert fit.bytes_per_sample == pytest.approx(SLOPE, rel=1e-3)
    assert fit.floor_bytes == pytest.approx(700 * MIB)
    assert fit.peak_bytes(1) == fit.floor_bytes
    assert fit.r2 == pytest.approx(1)


def test_without_a_floor_all_sizes_are_on_the_line() -> None:
    fit = _fit(SLOPE * SIZES + FIXED)
    assert fit.floor_bytes is None
    assert fit.fixed_bytes == pytest.approx(FIXED, rel=1e-6)


def test_the_worker_with_the_most_decides() -> None:
    one, other = SLOPE * SIZES + FIXED, 2 * SLOPE * SIZES + FIXED
    both = fit_memory([*SIZES, *SIZES], [*one, *other])
    assert both == _fit(other)


def test_memory_that_does_not_grow_says_nothing_beyond_what_was_measured() -> None:
    fit = _fit(np.full(len(SIZES), FIXED))
    assert fit.bytes_per_sample == 0
    assert fit.largest_batch(10 * FIXED) == 256
    assert fit.largest_batch(FIXED - 1) == 0


def test_nothing_fits_below_what_a_worker_takes_anyway() -> None:
    fit = _fit(np.maximum(SLOPE * SIZES + FIXED, 700 * MIB))
    assert fit.largest_batch(699 * MIB) == 0
    assert fit.largest_batch(0) == 0


@pytest.mark.parametrize(("batches", "peaks"), [([8, 8], [1, 2]), ([], []), ([4, 8], [1])])
def test_points_without_a_line_are_refused(batches: list, peaks: list) -> None:
    with pytest.raises(ValueError):
        fit_memory(batches, peaks)
