from __future__ import annotations

from dbsl_tf.coordinator.given_shares import GivenShares, WorkerChoice
from dbsl_tf.engine.membership import Membership
from dbsl_tf.schedules.calendar import Calendar
from dbsl_tf.schedules.epoch_shares import EpochShare, EpochShares, SharesTaken
from tests.coordinator.test_trainer import plan

ALL = [True] * 3


def test_each_number_of_a_round_has_a_worker_of_its_own() -> None:
    choice = WorkerChoice(Membership(3))
    assert [choice.choose(number, ALL) for number in (3, 4, 5)] == [0, 1, 2]


def test_one_that_is_busy_or_may_not_begin_is_passed_over() -> None:
    choice = WorkerChoice(Membership(3))
    assert choice.choose(0, ALL) == 0
    assert choice.choose(3, [True, False, True]) == 2
    choice.release(0)
    assert choice.choose(3, ALL) == 0


def test_nobody_who_is_absent_is_chosen_while_others_are_present() -> None:
    membership = Membership(3)
    choice = WorkerChoice(membership)
    membership.mark_lost(0, "it died")
    assert [choice.choose(0, ALL) for _ in range(3)] == [1, 2, 1]
    for worker in (1, 2):
        membership.mark_lost(worker, "it died")
    assert choice.choose(0, ALL) == 0


def test_the_chosen_worker_alone_may_begin_and_another_one_has_the_same_share_later() -> None:
    planned = plan()
    small, large = planned.workers
    calendar = Calendar(workers=2, epochs=3)
    total = small.samples + large.samples
    shares = GivenShares(EpochShares(total, calendar), WorkerChoice(Membership(2)))
    first = shares.give(0, planned, [True, True])
    assert (first.share, first.chosen) == (EpochShare(0, small.samples), 0)
    assert (list(first.allowed), first.steps[0]) == ([True, False], small.steps)
    assert shares.give(1, planned, [True, True]).share == EpochShare(small.samples, large.samples)
    # The first worker is lost.
    again = shares.give(0, planned, [False, True])
    assert (again.share, again.chosen) == (first.share, 1)
    assert again.steps[1] == -(-small.samples // large.batch)
    shares.merged(1)
    assert shares.taken == SharesTaken(2, total, (first.share,))
