"""Which sizes are timed where there is no time for all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dbsl_tf.measuring.affordable_sizes import affordable_sizes, thinned

times = st.dictionaries(st.integers(1, 1000), st.floats(1e-3, 1e3), max_size=9)


def test_by_hand() -> None:
    seconds = {4: 1.0, 8: 2.0, 16: 4.0, 32: 8.0}
    assert affordable_sizes(seconds, 15.0) == [4, 8, 16, 32]
    assert affordable_sizes(seconds, 12.0) == [4, 8, 32]
    assert affordable_sizes(seconds, 8.0) == [4, 8, 16]
    assert affordable_sizes(seconds, 3.0) == [4, 8]
    assert affordable_sizes(seconds, 2.9) == []
    assert affordable_sizes({}, 9.0) == []


@given(times, st.floats(0, 3e3))
def test_they_keep_to_the_time_and_a_line_can_go_through_them(seconds, available) -> None:
    chosen = affordable_sizes(seconds, available)
    assert sum(seconds[size] for size in chosen) <= available * (1 + 1e-9)
    assert chosen == sorted(set(chosen)) and set(chosen) <= set(seconds)
    assert len(chosen) != 1
    if chosen:
        assert chosen[0] == min(seconds)


@given(times, st.floats(0, 3e3))
def test_none_that_there_is_time_for_is_left_out(seconds, available) -> None:
    chosen = affordable_sizes(seconds, available)
    left = available - sum(seconds[size] for size in chosen)
    if chosen:
        assert all(seconds[s] >= left - 1e-6 for s in seconds if s not in chosen)


@given(st.lists(st.integers(1, 1000), unique=True, max_size=12).map(sorted), st.integers(1, 15))
def test_thinned_sizes_are_spread_over_all(sizes, count) -> None:
    chosen = thinned(sizes, count)
    assert len(chosen) == min(count, len(sizes))
    assert chosen == sorted(set(chosen)) and set(chosen) <= set(sizes)
    if sizes:
        assert chosen[-1] == sizes[-1]
        places = [-1, *(sizes.index(size) for size in chosen)]
        gaps = [after - before for before, after in zip(places, places[1:])]
        assert max(gaps) - min(gaps) <= 1
