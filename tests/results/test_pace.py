"""How fast a run gets on."""

from __future__ import annotations

import pytest

from dbsl_tf.results.pace import Pace
from tests.support.records import commit_record


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class TestPace:
    def test_time_left_is_known_once_every_worker_has_had_a_mini_epoch(self) -> None:
        clock = Clock()
        pace = Pace(2, clock=clock)
        assert (pace.images_per_second, pace.seconds_left(4)) == (None, None)
        clock.now += 90
        pace.committed(samples=100)
        assert pace.images_per_second == pytest.approx(100 / 90)
        assert pace.seconds_left(3) is None
        clock.now += 10
        pace.committed(samples=300)
        assert pace.images_per_second == pytest.approx(4)
        assert pace.seconds_left(2) == pytest.approx(100)

    def test_it_counts_down_between_commits(self) -> None:
        clock = Clock()
        pace = Pace(1, clock=clock)
        clock.now += 100
        pace.committed(samples=1)
        assert pace.seconds_left(3) == pytest.approx(300)
        clock.now += 40
        assert pace.seconds_left(3) == pytest.approx(260)
        clock.now += 400
        assert pace.seconds_left(3) == 0

    def test_a_resumed_run_goes_on_at_the_pace_it_had(self) -> None:
        clock = Clock()
        before = [commit_record(commit=n, seconds=20.0, started=1e5 * n) for n in (1, 2, 3, 4)]
        pace = Pace(2, before, clock)
        assert pace.seconds_left(6) == pytest.approx(60)
        clock.now += 4
        pace.committed(samples=1)
        assert pace.seconds_left(5) == pytest.approx(50)
        pace.committed(samples=1)
        assert pace.seconds_left(4) == pytest.approx(8)

    def test_the_speed_is_that_of_the_last_commits(self) -> None:
        clock = Clock()
        pace = Pace(1, clock=clock)
        for seconds in [100] * 10 + [1] * 100:
            clock.now += seconds
            pace.committed(samples=7)
        assert pace.images_per_second == pytest.approx(7)
        assert pace.seconds_left(5) == pytest.approx(5)
