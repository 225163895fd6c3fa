"""Who may begin, by clocks; no cluster."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsl_tf.schedules.synchronization import Synchronization


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
        assert [rule.allows(clock, 2) for clock in (5, 4, 2)] == [False, True, True]

    @given(st.integers(0, 50), st.integers(0, 50))
    def test_without_bound_everybody_may(self, clock, slowest):
        assert Synchronization(bound=math.inf).allows(clock, slowest)
