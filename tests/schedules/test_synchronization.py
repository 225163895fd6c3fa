"""Who may begin, by clocks; no cluster."""

from __future__ import annotations

import math
import unittest

from hypothesis import given
from hypothesis import strategies as st

from dbsl_tf.schedules.synchronization import Synchronization

clocks = st.lists(st.integers(0, 50), min_size=1, max_size=8)


class SynchronizationTest(unittest.TestCase):
    def test_the_modes(self):
        self.assertEqual(Synchronization.of("asp", 1), Synchronization())
        self.assertEqual(Synchronization.of("bsp", 1), Synchronization(in_rounds=True))
        self.assertEqual(Synchronization.of("ssp", 0), Synchronization.of("bsp", None))
        self.assertEqual(Synchronization.of("ssp", None), Synchronization.of("asp", 3))
        self.assertEqual(Synchronization.of("ssp", 3), Synchronization(bound=3))
        with self.assertRaisesRegex(ValueError, "asp, bsp or ssp"):
            Synchronization.of("sync", 1)

    def test_a_worker_beyond_the_bound_is_held(self):
        rule = Synchronization(bound=2)
        self.assertEqual(rule.allowed([5, 4, 2], [0, 1, 2]), [False, True, True])

    def test_the_absent_hold_nobody_up(self):
        rule = Synchronization(bound=0)
        self.assertEqual(rule.allowed([5, 4, 0], [0, 1]), [False, True, True])

    @given(clocks, st.integers(0, 5), st.data())
    def test_the_slowest_present_worker_may_always_begin(self, clocks, bound, data):
        everyone = list(range(len(clocks)))
        present = data.draw(st.lists(st.sampled_from(everyone), min_size=1, unique=True))
        allowed = Synchronization(bound=bound).allowed(clocks, present)
        slowest = min(present, key=clocks.__getitem__)
        self.assertTrue(allowed[slowest])
        for worker in present:
            self.assertEqual(allowed[worker], clocks[worker] - clocks[slowest] <= bound)

    @given(clocks)
    def test_without_bound_everybody_may(self, clocks):
        rule = Synchronization(bound=math.inf)
        self.assertTrue(all(rule.allowed(clocks, range(len(clocks)))))


if __name__ == "__main__":
    unittest.main()
