"""Links and locks by hand."""

from __future__ import annotations

import math

from simpy import Environment

from dbsl_tf.simulation.resources import Lock, SharedLink


def ends(starts, size=10.0, bandwidth=5.0, receiver=math.inf) -> list[float]:
    """When transfers that begin at `starts` are done."""
    env = Environment()
    link = SharedLink(env, size, bandwidth, receiver)
    done = {}

    def send(index: int, at: float):
        yield env.timeout(at)
        yield link.transfer()
        done[index] = env.now

    for index, at in enumerate(starts):
        env.process(send(index, at))
    env.run()
    return [done[index] for index in range(len(starts))]


class TestSharedLink:
    def check(self, found, expected) -> None:
        assert [round(value, 9) for value in found] == expected

    def test_alone(self):
        self.check(ends([1.0]), [3.0])

    def test_together_each_has_half(self):
        self.check(ends([0.0, 0.0]), [4.0, 4.0])

    def test_a_late_one_slows_the_first_and_ends_alone(self):
        # 5 bytes until 1 s, 5 more at half the bandwidth until 3 s; the second 5 and 5.
        self.check(ends([0.0, 1.0]), [3.0, 4.0])

    def test_a_slow_receiver_does_not_slow_the_others(self):
        self.check(ends([0.0, 0.0], receiver=2.5), [4.0, 4.0])
        self.check(ends([0.0, 1.0], receiver=2.5), [4.0, 5.0])

    def test_the_clock_of_a_long_run_ends_short_transfers(self):
        start = 1e9
        assert ends([start, start], size=1e-12) == [start, start]

    def test_what_takes_no_time(self):
        env = Environment()
        assert SharedLink(env, 10, math.inf, math.inf).free
        assert SharedLink(env, 0, 5, 5).free
        assert not SharedLink(env, 10, math.inf, 5).free


class TestLock:
    def test_who_comes_first_has_it_first(self):
        env = Environment()
        lock, got = Lock(env), []

        def hold(name: str, at: float, seconds: float):
            yield env.timeout(at)
            yield lock.hold(seconds)
            got.append((name, env.now))

        for arguments in (("b", 1.0, 2.0), ("a", 0.0, 3.0), ("c", 9.0, 1.0)):
            env.process(hold(*arguments))
        env.run()
        assert got == [("a", 3.0), ("b", 5.0), ("c", 10.0)]
        assert lock.busy_seconds == 6.0
