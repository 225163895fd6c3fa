"""How long the runs are that are timed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dbsl_tf.measuring.timed_runs import RunPair

step_times = st.lists(st.floats(1e-3, 2), min_size=1, max_size=4)


class TestRunPair:
    @given(step_seconds=step_times, seconds=st.floats(0.01, 3))
    def test_all_workers_run_for_the_same_time(self, step_seconds, seconds):
        pair = RunPair.lasting(seconds, range(len(step_seconds)), step_seconds)
        for steps in (pair.short_steps, pair.long_steps):
            slowest = step_seconds.index(max(step_seconds))
            wanted = steps[slowest] * step_seconds[slowest]
            for count, step in zip(steps, step_seconds):
                assert abs(count * step - wanted) <= 0.51 * step
            assert min(steps) >= 2
        for short, long in zip(pair.short_steps, pair.long_steps):
            assert long > 2 * short

    def test_a_pair_lasts_as_long_as_asked(self):
        pair = RunPair.lasting(1.0, (30, 128), (0.025, 0.1))
        assert (pair.short_steps, pair.long_steps) == ((8, 2), (32, 8))
        assert pair.sizes_of(0) == [30] * 40

    def test_runs_of_tiny_steps_are_long_enough_to_overlap(self):
        pair = RunPair.lasting(0.01, (4,), (0.005,))
        assert pair.short_steps[0] * 0.005 >= 0.2

    def test_longer_runs_still_end_together(self):
        pair = RunPair.lasting(1.0, (30, 128), (0.025, 0.1)).longer()
        assert (pair.short_steps, pair.long_steps) == ((16, 4), (64, 16))
