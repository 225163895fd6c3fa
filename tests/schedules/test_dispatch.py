"""The dispatch rules, whatever happens to the workers; no threads, no cluster."""

from __future__ import annotations

import random
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from dbsl_tf.schedules.dispatch import DispatchRules
from dbsl_tf.schedules.synchronization import Synchronization

BSP = Synchronization(in_rounds=True)


class MiniEpoch(NamedTuple):
    number: int
    worker: int


class Run:
    """A run of which chance decides what happens next.

    Clocks and permissions are kept beside the rules, in the plainest way.
    """

    def __init__(
        self,
        synchronization: Synchronization,
        workers: int,
        epochs: int,
        chance: random.Random,
        ends_in_round: bool = False,
        of_present: bool = False,
    ) -> None:
        self.of_present = of_present
        self.synchronization, self.workers, self.chance = synchronization, workers, chance
        self.total = workers * epochs
        self.last_round = self.total - workers if ends_in_round else self.total
        already = chance.randrange(self.last_round or 1) if chance.random() < 0.3 else 0
        self.clocks = [already // workers + (w < already % workers) for w in range(workers)]
        self.rules = DispatchRules(
            self.total,
            already,
            self.clocks,
            synchronization,
            ends_in_round,
            self.end_of_round if of_present else None,
        )
        self.merged = list(range(already))
        self.idle = set(range(workers))
        self.dead: set[int] = set()
        # On workers that were given up and may still bring a result.
        self.hung: list[MiniEpoch] = []
        self.training: list[MiniEpoch] = []
        # Not to be merged yet, and those that may be.
        self.held: list[MiniEpoch] = []
        self.passed: list[MiniEpoch] = []
        self.round: list[MiniEpoch] = []
        self.round_end = already
        self.all_stayed = True

    @property
    def present(self) -> list[int]:
        absent = self.dead | {worker for _, worker in self.hung}
        return [worker for worker in range(self.workers) if worker not in absent]

    @property
    def in_round(self) -> bool:
        return self.synchronization.in_rounds or len(self.merged) >= self.last_round

    def end_of_round(self, merged: int, present: int) -> int:
        """Rounds end with epochs too, of two mini-epochs of every worker."""
        epoch = 2 * self.workers
        return min(merged + present, (merged // epoch + 1) * epoch)

    def begin_round(self) -> None:
        first = len(self.merged)
        if first >= self.last_round:
            self.round_end = self.total
        elif self.of_present:
            end = self.end_of_round(first, max(1, len(self.present)))
            self.round_end = min(end, self.last_round)
            self.all_stayed = True
        else:
            # After a resumption in the middle of an epoch the first round is shorter.
            self.round_end = (first // self.workers + 1) * self.workers

    def within_bound(self, worker: int) -> bool:
        return self.in_round or self.spread(worker) <= self.synchronization.bound

    def spread(self, worker: int) -> int:
        """How far a worker is ahead of the slowest, with what is about to be merged."""
        coming = sum(mini_epoch.worker == worker for mini_epoch in self.passed)
        slowest = min(self.clocks[w] for w in [*self.present, worker])
        return self.clocks[worker] + coming - slowest

    def begin(self) -> bool:
        """Whether a mini-epoch begins."""
        present = self.present
        number = self.rules.next()
        if number is None:
            return False
        assert number not in self.merged
        assert (number >= self.last_round) == (len(self.merged) >= self.last_round)
        if self.in_round and self.round_end <= len(self.merged):
            self.begin_round()
        assert not self.in_round or number < self.round_end
        if not present:
            # The one that is to show that it is back.
            self.rules.requeue(number)
            return False
        able = [w for w in sorted(self.idle & set(present)) if self.rules.allows(w)]
        assert able, "handed out, but nobody may begin it"
        worker = self.chance.choice(able)
        self.idle.remove(worker)
        self.training.append(MiniEpoch(number, worker))
        return True

    def finish(self) -> None:
        if not self.training:
            return
        mini_epoch = self.chance.choice(self.training)
        self.training.remove(mini_epoch)
        self._finish(mini_epoch)

    def _finish(self, mini_epoch: MiniEpoch) -> None:
        self.idle.add(mini_epoch.worker)
        may = self.within_bound(mini_epoch.worker)
        assert self.rules.returned(mini_epoch.worker) == may
        (self.passed if may else self.held).append(mini_epoch)

    def release(self) -> None:
        for mini_epoch in list(self.held):
            may = self.within_bound(mini_epoch.worker)
            if self.rules.release(mini_epoch.worker):
                # Else everything else is merged, or held as well.
                rest = self.last_round - len(self.merged) - len(self.round)
                assert may or (not self.training and not self.passed and rest == len(self.held))
                self.held.remove(mini_epoch)
                self.passed.append(mini_epoch)
            else:
                assert not may

    def merge(self) -> None:
        if not self.passed:
            return
        mini_epoch = self.chance.choice(self.passed)
        self.passed.remove(mini_epoch)
        if self.in_round:
            self.round.append(mini_epoch)
            merged, expected = self.round, list(range(len(self.merged), self.round_end))
            if len(merged) == len(expected):
                assert sorted(number for number, _ in merged) == expected
                if self.all_stayed:
                    assert len({worker for _, worker in merged}) == len(merged)
                self.round, self.all_stayed = [], len(self.present) == self.workers
            else:
                merged = []
        else:
            merged = [mini_epoch]
            self.all_stayed = len(self.present) == self.workers
        for number, worker in merged:
            self.merged.append(number)
            self.clocks[worker] += 1
        self.rules.mark_merged([worker for _, worker in merged])
        self.rules.free_worker()

    def lose(self) -> None:
        if not self.training:
            return
        mini_epoch = self.chance.choice(self.training)
        self.training.remove(mini_epoch)
        if self.chance.random() < 0.5:
            self.dead.add(mini_epoch.worker)
        else:
            self.hung.append(mini_epoch)
        self.all_stayed = False
        self.rules.leave(mini_epoch.worker)
        self.rules.requeue(mini_epoch.number)

    def come_to(self) -> None:
        if not self.hung:
            return
        mini_epoch = self.chance.choice(self.hung)
        others = {number for number, _ in (*self.training, *self.held, *self.passed, *self.round)}
        begun = mini_epoch.number in others or mini_epoch.number in self.merged
        counts = self.rules.reclaim(mini_epoch.number)
        assert not (counts and begun)
        self.hung.remove(mini_epoch)
        self._rejoin(mini_epoch.worker)
        if counts:
            self._finish(mini_epoch)

    def restart(self) -> None:
        if not self.dead:
            return
        worker = self.chance.choice(sorted(self.dead))
        self.dead.remove(worker)
        self._rejoin(worker)

    def _rejoin(self, worker: int) -> None:
        others = [self.clocks[w] for w in self.present if w != worker]
        self.clocks[worker] = max(self.clocks[worker], min(others, default=0))
        self.rules.rejoin(worker)
        self.idle.add(worker)

    def check(self) -> None:
        present = self.present
        slowest = min((self.clocks[w] for w in present), default=0)
        assert self.rules.clocks == self.clocks
        assert self.rules.present == len(present)
        assert self.rules.merged == len(self.merged)
        if not self.in_round:
            bound = self.synchronization.bound
            assert self.rules.allowed() == [clock - slowest <= bound for clock in self.clocks]
        assert len(self.training) <= self.workers

    def end(self) -> None:
        """Everybody comes back and goes on until everything is merged."""
        while self.dead or self.hung:
            self.restart()
            self.come_to()
        while not self.rules.finished:
            before = len(self.merged), len(self.round), len(self.held)
            while self.begin():
                pass
            while self.training:
                self.finish()
            self.release()
            while self.passed:
                self.merge()
            self.check()
            assert before != (len(self.merged), len(self.round), len(self.held)), "nothing goes on"


RULES = [Synchronization(), BSP, Synchronization(bound=1), Synchronization(bound=3)]


class TestDispatchRules:
    @settings(max_examples=150)
    @given(
        st.sampled_from(RULES),
        st.integers(1, 6),
        st.integers(1, 6),
        st.integers(0, 10**6),
        st.booleans(),
        st.booleans(),
    )
    def test_every_mini_epoch_is_merged_once_whoever_leaves_and_comes_back(
        self, synchronization, workers, epochs, seed, ends_in_round, of_present
    ):
        """In rounds that are complete, or within the bound."""
        chance = random.Random(seed)
        run = Run(synchronization, workers, epochs, chance, ends_in_round, of_present)
        happens = [run.begin] * 6 + [run.finish] * 5 + [run.merge] * 4 + [run.release] * 2
        happens += [run.lose, run.come_to, run.restart]
        for _ in range(40 * workers):
            run.chance.choice(happens)()
            run.check()
        run.end()
        assert sorted(run.merged) == list(range(run.total))
        assert run.rules.next() is None

    def test_a_round_of_those_present_has_one_of_each_and_ends_with_the_epoch(self):
        rules = DispatchRules(
            6, 0, [0, 0, 0], BSP, round_end=lambda merged, present: min(merged + present, 6)
        )
        rules.leave(1)
        assert (rules.next(), rules.next(), rules.next()) == (0, 1, None)
        # The next round is the first that it counts for.
        rules.rejoin(1)
        assert rules.round == (0, 2) and rules.one_each
        self.merge_all(rules, [0, 2])
        assert [rules.next() for _ in range(4)] == [2, 3, 4, None]
        self.merge_all(rules, [0, 1, 2])
        assert (rules.next(), rules.next(), rules.round) == (5, None, (5, 6))
        self.merge_all(rules, [1])
        assert rules.finished and rules.next() is None

    def merge_all(self, rules, workers):
        assert all(map(rules.returned, workers))
        rules.mark_merged(workers)
        for _ in workers:
            rules.free_worker()

    def test_the_absent_hold_nobody_up(self):
        rules = DispatchRules(30, 9, [5, 4, 0], Synchronization(bound=0))
        assert rules.allowed() == [False, False, True]
        rules.leave(2)
        assert rules.allowed() == [False, True, True]
        rules.rejoin(2)
        assert rules.clocks == [5, 4, 4]

    def test_leaving_and_coming_back_count_once(self):
        rules = DispatchRules(4, 0, [0, 0], Synchronization())
        rules.leave(1)
        rules.leave(1)
        assert (rules.present, rules.next(), rules.next()) == (1, 0, None)
        rules.rejoin(1)
        rules.rejoin(1)
        assert (rules.present, rules.next(), rules.next()) == (2, 1, None)

    def test_what_is_about_to_be_merged_counts_towards_the_bound(self):
        rules = DispatchRules(9, 1, [1, 0], Synchronization(bound=1))
        assert (rules.next(), rules.next()) == (1, 2)
        assert [rules.returned(0), rules.returned(0)] == [True, False]
        rules.mark_merged([0])
        assert not rules.release(0)
        rules.mark_merged([1])
        assert rules.release(0)

    def test_a_round_at_the_end_waits_for_everything_before(self):
        for synchronization in (Synchronization(), Synchronization(bound=1)):
            rules = DispatchRules(6, 2, [2, 0], synchronization, ends_in_round=True)
            rules.leave(0)
            assert (rules.next(), rules.next(), rules.in_round) == (2, None, False)
            assert rules.returned(1)
            rules.mark_merged([1])
            rules.free_worker()
            assert rules.next() == 3
            rules.rejoin(0)
            assert rules.next() is None
            assert rules.returned(1)
            rules.mark_merged([1])
            # Only once nothing is out; then each worker has one, however far it is ahead.
            assert (rules.in_round, rules.next()) == (True, None)
            rules.free_worker()
            assert (rules.next(), rules.next(), rules.next()) == (4, 5, None)
            assert rules.returned(1) and rules.allowed() == [True, False]
            assert rules.returned(0)
            rules.mark_merged([0, 1])
            assert rules.finished
