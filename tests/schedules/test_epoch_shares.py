from __future__ import annotations

from fractions import Fraction

import hypothesis.strategies as st
import pytest
from hypothesis import given

from dbsl_tf.schedules.calendar import Calendar, Stretch
from dbsl_tf.schedules.epoch_shares import EpochShare, EpochShares, SharesTaken


@st.composite
def trainings(draw: st.DrawFn):
    """Samples, calendar, the planned samples of every worker, and who trains each mini-epoch."""
    workers = draw(st.integers(1, 6))
    epochs = draw(st.integers(1, 4))
    often = Stretch(epochs, Fraction(draw(st.integers(1, 3))))
    last = draw(st.integers(0, epochs))
    local = dict(local_epochs=last) if last else {}
    stretches = (Stretch(epochs - last, often.mini_epochs),) if epochs > last else ()
    calendar = Calendar(workers, epochs, stretches=stretches, **local)
    samples = draw(st.integers(3 * workers, 300))
    planned = draw(st.lists(st.integers(1, 120), min_size=workers, max_size=workers))
    who = draw(
        st.lists(st.integers(0, workers - 1), min_size=calendar.total, max_size=calendar.total)
    )
    return samples, calendar, planned, who


@given(trainings())
def test_epochs_have_each_sample_once_whoever_trains(training) -> None:
    samples, calendar, planned, who = training
    shares = EpochShares(samples, calendar)
    end = 0
    for number, worker in enumerate(who):
        share = shares.of(number, planned[worker], planned)
        assert share.first == end and share.samples >= 1
        end += share.samples
        if calendar.ends_epoch(number + 1):
            assert end == calendar.epochs_done(number + 1) * samples
    assert end == calendar.epochs * samples


@given(trainings(), st.data())
def test_a_resumed_training_has_each_sample_once(training, data) -> None:
    """Interrupted anywhere, with any of the mini-epochs merged that have begun."""
    samples, calendar, planned, who = training
    shares, merged = EpochShares(samples, calendar), []
    begun = data.draw(st.integers(0, calendar.total))
    for number in range(begun):
        share = shares.of(number, planned[who[number]], planned)
        if data.draw(st.booleans()):
            shares.merged(number)
            merged.append(share)
    shares = EpochShares(samples, calendar, shares.taken)
    for number in range(len(merged), calendar.total):
        merged.append(shares.of(number, planned[who[number]], planned))
        shares.merged(number)
    trained = sorted((share.first, share.samples) for share in merged)
    ends = [first + count for first, count in trained]
    assert [first for first, _ in trained] == [0, *ends[:-1]]
    assert ends[-1] == calendar.epochs * samples
    assert shares.taken == SharesTaken(calendar.total, ends[-1])


def test_shares_are_as_planned_in_whatever_order_workers_come() -> None:
    planned = [13125, 13125, 11875, 11875]
    for who in ((0, 1, 2, 3), (3, 0, 2, 1)):
        shares = EpochShares(50_000, Calendar(4, 1))
        sizes = [shares.of(i, planned[worker], planned).samples for i, worker in enumerate(who)]
        assert sizes == [planned[worker] for worker in who]


def test_a_worker_that_trains_twice_leaves_the_planned_sizes_to_others() -> None:
    planned = [60, 40]
    shares = EpochShares(100, Calendar(2, 1))
    assert shares.of(0, 40, planned) == EpochShare(0, 40)
    assert shares.of(1, 40, planned) == EpochShare(40, 60)


def test_a_mini_epoch_that_is_trained_again_has_the_same_share() -> None:
    shares = EpochShares(100, Calendar(2, 1))
    first = shares.of(0, 60, [60, 40])
    shares.of(1, 40, [60, 40])
    assert shares.of(0, 40, [60, 40]) == first
    shares.merged(1)
    assert shares.taken == SharesTaken(2, 100, (first,))


def test_what_is_merged_is_forgotten() -> None:
    shares = EpochShares(100, Calendar(2, 1))
    shares.of(0, 60, [60, 40])
    shares.merged(0)
    with pytest.raises(KeyError):
        shares.merged(0)
