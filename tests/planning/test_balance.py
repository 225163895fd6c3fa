from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsl_tf.planning import TimeModel
from dbsl_tf.planning.balance import (
    equal_batches,
    finishing_seconds,
    idle_worker,
    small_batches,
    usable,
    whole_shares,
)

FAST, SLOW = TimeModel(0.01, 0.1), TimeModel(0.02, 0.2)


def test_a_worker_twice_as_fast_trains_twice_as_much() -> None:
    # 60 samples in 3 batches of 20: 0.9 s on the fast worker; 30 in 1.5 batches: 1.0 s.
    balance = equal_batches((FAST, SLOW), 20, 300)
    assert balance.shares == (200, 100)
    assert finishing_seconds((FAST, SLOW), (20, 20), 300) == pytest.approx(3.0)


def test_a_worker_with_an_overhead_trains_less() -> None:
    # The overhead of 0.3 s is a batch of 20.
    late = TimeModel(0.01, 0.1, 0.3)
    assert equal_batches((FAST, late), 20, 180).shares == (100, 80)


def test_the_small_batch_by_hand() -> None:
    # T = 1.2 * 1.5 s: the large worker trains 120 of 200 samples and leaves 80, phi = 80/120.
    # B_S = 0.1 * phi / ((0.01 + 0.1/20) - 0.01 * phi) = 8.
    assert small_batches((FAST, FAST), 1, 20, 200, 1.2) == pytest.approx([8])


def test_a_batch_is_not_usable_below_one() -> None:
    assert usable([1.0, 7.3])
    assert not usable([7.3, 0.9])
    assert small_batches((FAST, FAST), 1, 20, 200, 2.0) == [0.0]
    assert not usable(small_batches((FAST, FAST), 2, 20, 200, 1e300))


def test_a_worker_that_starts_when_the_others_are_done() -> None:
    assert idle_worker((FAST, FAST), 20, 200) is None
    assert idle_worker((FAST, FAST, TimeModel(0.01, 0.1, 3.0)), 20, 200) == 2


@pytest.mark.parametrize(
    ("shares", "samples", "whole"),
    [
        ([2.6, 2.4], 5, (3, 2)),
        ([2.5, 2.5], 5, (3, 2)),
        ([2.9999999, 3.0000001], 6, (3, 3)),
        ([0.2, 0.2, 2.6], 3, (1, 1, 1)),
    ],
)
def test_largest_remainders_go_up(shares: list[float], samples: int, whole: tuple) -> None:
    assert whole_shares(shares, samples) == whole


@given(st.lists(st.floats(1, 1e5), min_size=1, max_size=12))
def test_whole_shares_are_complete_and_near(shares: list[float]) -> None:
    samples = round(sum(shares))
    whole = whole_shares(shares, samples)
    assert sum(whole) == samples
    assert min(whole) >= 1
    # Below 1 for their rounding, and up to a half for that of their sum.
    assert max(abs(one - other) for one, other in zip(whole, shares)) < 1.5
