from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsl_tf.common.durations import duration_text, parsed_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2h", 7200),
        ("90m", 5400),
        ("1h30m", 5400),
        ("1h 30m 5s", 5405),
        ("5400s", 5400),
        ("5400", 5400),
        ("1.5h", 5400),
        ("1H30M", 5400),
        ("1h30", 3630),
    ],
)
def test_what_is_a_time(text: str, seconds: float) -> None:
    assert parsed_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", " ", "h", "2 days", "2d", "-1h", "0", "0h", "30m1h", "1,5h", "1e3", "nan", "inf"]
)
def test_what_is_none(text: str) -> None:
    assert parsed_duration(text) is None


@given(st.integers(0, 99), st.integers(0, 99), st.integers(1, 99))
def test_parts_add_up(hours: int, minutes: int, seconds: int) -> None:
    expected = 3600 * hours + 60 * minutes + seconds
    assert parsed_duration(f"{hours}h{minutes}m{seconds}s") == expected


def test_long_times_have_larger_units() -> None:
    assert [duration_text(s) for s in (12.34, 300, 3600, 7265)] == [
        "12.3 s",
        "5 min 0 s",
        "1 h 0 min",
        "2 h 1 min",
    ]
