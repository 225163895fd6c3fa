"""What a merge rule is told of the schedule."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from dbsl_tf.config import load_config
from dbsl_tf.coordinator.merge_facts import at_commit, decay_since_the_one_before
from dbsl_tf.resolved import RunSettings, settings_of
from dbsl_tf.schedules import LearningRateFunction

SCHEDULE = ["schedule.epochs=6", "schedule.milestones=[2, 4]", "schedule.gamma=0.1"]


def settings(*overrides: str) -> RunSettings:
    return settings_of(load_config("quickstart.yaml", [*SCHEDULE, *overrides]), 600)


def decays_of(of: RunSettings, merged: Sequence[int]) -> list[float]:
    """The falls of the rate at commits, or rounds, that follow one another."""
    return [
        decay_since_the_one_before(of, now, before) for now, before in zip(merged, [-1, *merged])
    ]


def test_a_milestone_counts_at_the_first_commit_after_it() -> None:
    decays = decays_of(settings(), range(12))
    falls = {merged: decay for merged, decay in enumerate(decays) if decay != 1}
    assert falls == {4: pytest.approx(0.1), 8: pytest.approx(0.1)}


def test_in_rounds_it_counts_once_for_the_round() -> None:
    of = settings("sync.mode=bsp")
    assert decays_of(of, range(0, 12, 2)) == pytest.approx([1, 1, 0.1, 1, 0.1, 1])
    # Of rounds of other lengths, too.
    assert decays_of(of, [0, 1, 3, 4, 5, 8]) == pytest.approx([1, 1, 1, 0.1, 1, 0.1])


def test_warm_up_does_not_count_and_nothing_makes_momentum_grow() -> None:
    of = settings("schedule.warmup_epochs=2")
    assert decays_of(of, range(4)) == [1.0] * 4
    rates = {0.0: 1.0, 0.5: 2.0, 1.0: 0.0, 1.5: 0.5}
    of = settings()
    object.__setattr__(of, "learning_rate", LearningRateFunction(rates.__getitem__))
    assert decays_of(of, range(4)) == [1, 1, 0, 1]


def test_along_a_cosine_all_of_it_is_the_fall_of_the_rate() -> None:
    of = settings("schedule.milestones=[]", "schedule.decay=cosine")
    product = math.prod(decays_of(of, range(12)))
    rate = of.learning_rate.decayed_rate
    assert product == pytest.approx(rate(5.5) / rate(0))


def test_workers_and_rate() -> None:
    facts = at_commit(settings(), 0, -1, [0.5, 1.0, 0.75], 0.3)
    assert (facts.mean_factor, facts.workers, facts.learning_rate) == (0.75, 3, 0.3)


def test_milestones_are_counted_in_epochs_however_often_these_are_merged() -> None:
    of = settings("schedule.mini_epochs_per_epoch=2")
    decays = decays_of(of, range(24))
    assert [merged for merged, decay in enumerate(decays) if decay != 1] == [8, 16]
    of = settings("schedule.mini_epochs_per_epoch=2", "sync.mode=bsp")
    decays = decays_of(of, range(0, 24, 2))
    assert [2 * number for number, decay in enumerate(decays) if decay != 1] == [8, 16]
