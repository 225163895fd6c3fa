from __future__ import annotations

from dbsl_tf.coordinator.worker_choice import WorkerChoice
from dbsl_tf.engine.membership import Membership

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
