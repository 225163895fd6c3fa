"""The rules beside the coordinator's own: the same answers whatever happens."""

from __future__ import annotations

import random
import threading
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbsl_tf.coordinator.dispatcher import Dispatcher
from dbsl_tf.engine.roster import Roster
from dbsl_tf.schedules.synchronization import Synchronization
from dbsl_tf.simulation.rules import Clocks, Dispatch, IdleWorkers

RULES = st.sampled_from(
    [
        Synchronization(),
        Synchronization(in_rounds=True),
        Synchronization(bound=1),
        Synchronization(bound=2),
    ]
)


class WouldWait(Exception):
    """In place of waiting."""


class BesideTheCoordinator:
    """A run by both, with the same things happening to both."""

    def __init__(self, workers: int, epochs: int, rule: Synchronization) -> None:
        self.rule, self.workers, self.total = rule, workers, workers * epochs
        self.roster = Roster(workers)
        self.real = Dispatcher(self.total, 0, [0] * workers, rule, self.roster)
        self.clocks = Clocks(workers, rule)
        self.simulated = Dispatch(self.total, self.clocks, workers, rule)
        self.idle = set(range(workers))
        self.out: list[tuple[int, int]] = []
        self.round: list[int] = []

    def real_next(self) -> int | None:
        with mock.patch.object(threading.Condition, "wait", side_effect=WouldWait):
            try:
                return self.real.next()
            except WouldWait:
                return None

    def begin(self, chance: random.Random) -> None:
        number = self.simulated.next()
        assert number == self.real_next()
        if number is None:
            return
        allowed = self.real.allowed()
        able = [w for w in sorted(self.idle) if allowed[w] and w in self.roster.present]
        assert able == [w for w in able if self.clocks.allows(self.clocks[w])]
        worker = chance.choice(able)
        self.idle.remove(worker)
        self.out.append((number, worker))

    def finish(self, chance: random.Random) -> None:
        if not self.out:
            return
        place = chance.randrange(len(self.out))
        _, worker = self.out[place]
        may = self.rule.may_merge(worker, self.real.clocks, self.roster.present)
        assert may == self.clocks.may_merge(worker)
        if not may:
            return
        del self.out[place]
        self.idle.add(worker)
        self.round.append(worker)
        if not self.rule.in_rounds or len(self.round) == self.workers:
            self.real.was_merged(self.round)
            self.simulated.was_merged(self.round)
            self.round = []
        self.real.came_back()
        self.simulated.out -= 1

    def fail(self, chance: random.Random) -> None:
        if not self.out:
            return
        number, worker = self.out.pop(chance.randrange(len(self.out)))
        self.roster.lost(worker, "dead")
        self.real.give_back(number)
        self.clocks.lost(worker)
        self.simulated.give_back(number)

    def come_back(self, chance: random.Random) -> None:
        absent = sorted(set(range(self.workers)) - set(self.roster.present))
        if absent:
            worker = chance.choice(absent)
            self.roster.answered(worker)
            self.clocks.back(worker)
            self.idle.add(worker)

    def check(self) -> None:
        assert self.real.merged == self.simulated.merged
        assert self.real.clocks == [self.clocks[w] for w in range(self.workers)]
        allowed = self.real.allowed()
        present = self.roster.present
        assert len(present) == self.clocks.present
        for worker in present:
            assert allowed[worker] == self.clocks.allows(self.clocks[worker])
        assert sum(allowed[w] for w in present) == self.clocks.allowed_present()


class TestRules:
    @settings(max_examples=150)
    @given(RULES, st.integers(1, 6), st.integers(1, 6), st.integers(0, 10**6))
    def test_they_decide_as_the_coordinator_does(self, rule, workers, epochs, seed):
        chance = random.Random(seed)
        both = BesideTheCoordinator(workers, epochs, rule)
        for _ in range(40 * workers):
            kinds = ["begin"] * 6 + ["finish"] * 5 + ["come_back"] * 2
            # Where nobody is left the coordinator waits for a worker to show itself.
            if len(both.roster.present) > 1:
                kinds.append("fail")
            getattr(both, chance.choice(kinds))(chance)
            both.check()

    def test_of_the_idle_the_one_that_waits_for_longest_begins(self):
        clocks = Clocks(3, Synchronization(bound=0))
        idle = IdleWorkers(clocks, [2, 0])
        clocks.merged(2)  # 1 ahead of the others
        assert idle.take() == 0
        with pytest.raises(LookupError):
            idle.take()
        idle.add(0)
        clocks.merged(0)
        clocks.merged(1)
        assert [idle.take(), idle.take()] == [2, 0]
