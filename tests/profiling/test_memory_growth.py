"""The way to the largest batch that fits, on workers whose memory is known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsl_tf.profiling.memory_fit import fit_memory
from dbsl_tf.profiling.memory_growth import next_batch

MIB = 2**20


def _grow(peak: Callable[[int], float], limit: int) -> dict[int, int]:
    """Measures on until there is nothing more to measure."""
    peaks = {size: int(peak(size)) for size in (4, 8, 16, 32, 64)}
    while (size := next_batch(peaks, limit)) is not None:
        assert max(peaks) < size <= 2 * max(peaks)
        peaks[size] = int(peak(size))
    return peaks


@given(slope=st.floats(1, 20), fixed=st.integers(100, 1000), times=st.floats(1.3, 20))
def test_it_ends_near_the_limit_and_never_above(slope: float, fixed: int, times: float) -> None:
    def peak(size: int) -> float:
        return (slope * size + fixed) * MIB

    limit = int(times * peak(64))
    peaks = _grow(peak, limit)
    assert max(peaks.values()) <= limit
    fit = fit_memory(list(peaks), list(peaks.values()))
    assert fit.largest_batch(limit) <= 1.11 * max(peaks)


def test_a_slope_that_falls_is_corrected_on_the_way() -> None:
    def peak(size: int) -> float:
        return (500 + 4 * size - (max(0, size - 64) * 0.8)) * MIB

    limit = 3000 * MIB
    peaks = _grow(peak, limit)
    found = fit_memory(list(peaks), list(peaks.values())).largest_batch(limit)
    assert found == pytest.approx((3000 - 500 - 64 * 0.8) / 3.2, rel=0.05)


def test_memory_that_does_not_grow_is_doubled_only_where_that_is_safe() -> None:
    flat = {4: 100 * MIB, 64: 100 * MIB}
    assert next_batch(flat, 200 * MIB) == 128
    assert next_batch(flat, 199 * MIB) is None


def test_nothing_is_tried_beyond_a_limit_already_reached() -> None:
    assert next_batch({4: 104 * MIB, 64: 164 * MIB}, 150 * MIB) is None
