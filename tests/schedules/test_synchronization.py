"""Who may begin, by clocks; no cluster."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsl_tf.schedules.synchronization import Synchronization

clocks = st.lists(st.integers(0, 50), min_size=1, max_size=8)


class TestSynchronization:
    def test_the_modes(self):
        assert Synchronization.of("asp", 1) == Synchronization()
        assert Synchronization.of("bsp", 1) == Synchronization(in_rounds=True)
        assert Synchronization.of("ssp", 0) == Synchronization.of("bsp", None)
        assert Synchronization.of("ssp", None) == Synchronization.of("asp", 3)
        assert Synchronization.of("ssp", 3) == Synchronization(bound=3)
        with pytest.raises(ValueError, match="asp, bsp or ssp"):
            Synchronization.of("sync", 1)

    def test_a_worker_beyond_the_bound_is_held(self):
        rule = Synchronization(bound=2)
        assert rule.allowed([5, 4, 2], [0, 1, 2]) == [False, True, True]

    def test_the_absent_hold_nobody_up(self):
        rule = Synchronization(bound=0)
        assert rule.allowed([5, 4, 0], [0, 1]) == [False, True, True]

    @given(clocks, st.integers(0, 5), st.data())
    def test_the_slowest_present_worker_may_always_begin(self, clocks, bound, data):
        everyone = list(range(len(clocks)))
        present = data.draw(st.lists(st.sampled_from(everyone), min_size=1, unique=True))
        allowed = Synchronization(bound=bound).allowed(clocks, present)
        slowest = min(present, key=clocks.__getitem__)
        assert allowed[slowest]
        for worker in present:
            assert allowed[worker] == (clocks[worker] - clocks[slowest] <= bound)

    @given(clocks)
    def test_without_bound_everybody_may(self, clocks):
        rule = Synchronization(bound=math.inf)
        assert all(rule.allowed(clocks, range(len(clocks))))
