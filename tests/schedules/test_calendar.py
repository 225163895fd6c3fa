"""Which mini-epochs are an epoch, and what is due after which commit."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from dbsl_tf.schedules.calendar import Calendar, Stretch

# Two epochs of three mini-epochs each, one of one, and two that are trained in one.
MIXED = Calendar(2, 5, stretches=(Stretch(2, Fraction(3)), Stretch(3)), local_epochs=2)


class TestCalendar:
    def test_what_is_due_when(self) -> None:
        calendar = Calendar(workers=3, epochs=5, eval_every=2, checkpoint_every=4)
        commits = range(calendar.total + 1)
        assert calendar.total == 15
        assert [c for c in commits if calendar.evaluation_due(c)] == [6, 12, 15]
        assert [c for c in commits if calendar.checkpoint_due(c)] == [12, 15]
        assert [calendar.epochs_done(c) for c in (0, 2, 3, 15)] == [0, 0, 1, 5]

    def test_several_mini_epochs_an_epoch(self) -> None:
        calendar = Calendar(2, 3, stretches=(Stretch(3, Fraction(2)),))
        assert calendar.total == 12
        assert [calendar.epoch_at(n) for n in range(12)] == [1] * 4 + [2] * 4 + [3] * 4
        assert [calendar.first_number(epoch) for epoch in (1, 2, 3)] == [0, 4, 8]
        assert [c for c in range(13) if calendar.evaluation_due(c)] == [4, 8, 12]
        assert [calendar.position(n) for n in (1, 4, 6)] == [0.25, 1.0, 1.5]
        assert [calendar.next_epoch(n) for n in (0, 3, 4, 11)] == [4, 4, 8, 12]
        assert not any(map(calendar.is_local, range(12)))

    def test_stretches_and_local_epochs(self) -> None:
        assert MIXED.total == 2 * 6 + 2 + 2
        assert [MIXED.epoch_at(n) for n in range(16)] == [1] * 6 + [2] * 6 + [3] * 2 + [5] * 2
        assert [MIXED.first_number(epoch) for epoch in range(1, 6)] == [0, 6, 12, 14, 14]
        assert [c for c in range(17) if MIXED.ends_epoch(c)] == [6, 12, 14, 16]
        assert [MIXED.epochs_done(c) for c in (11, 12, 14, 15, 16)] == [1, 2, 3, 3, 5]
        assert [n for n in range(16) if MIXED.is_local(n)] == [14, 15]
        # Both mini-epochs of the end begin after epoch 3, and one commit of them is an epoch.
        assert [MIXED.end_of_round(*of) for of in ((0, 2), (2, 1), (12, 2))] == [2, 3, 14]
        assert [MIXED.start(n) for n in (14, 15)] == [3.0, 3.0]
        assert [MIXED.next_epoch(n) for n in (5, 6, 13, 14)] == [6, 12, 14, 16]
        assert [MIXED.position(c) for c in (14, 15, 16)] == [3.0, 4.0, 5.0]
        assert [MIXED.mini_epochs(epoch) for epoch in (2, 3, 4, 5)] == [3, 1, Fraction(1, 2)] + [
            Fraction(1, 2)
        ]
        assert MIXED.mini_epochs_per_epoch == 3 and not MIXED.is_uniform

    def test_commits_of_an_epoch(self) -> None:
        calendar = Calendar(workers=3, epochs=5)
        assert [calendar.epoch_of(c) for c in (1, 3, 4, 15)] == [1, 1, 2, 5]
        assert calendar.commits_per_epoch(2) == 3
        assert [calendar.commits_before(e) for e in (-1.0, 0.0, 1.0, 1.5, 5.0)] == [0, 0, 3, 4, 15]
        assert [MIXED.epoch_of(c) for c in (1, 6, 7, 14, 15)] == [1, 1, 2, 3, 5]
        assert [MIXED.commits_before(e) for e in (0.5, 2.5, 3, 3.9, 4, 5)] == [
            3,
            13,
            14,
            14,
            15,
            16,
        ]
        assert [MIXED.commits_per_epoch(e) for e in (1, 3, 5)] == [6, 2, 1]

    def test_all_epochs_may_be_local(self) -> None:
        calendar = Calendar(4, 3, local_epochs=3)
        assert (calendar.total, calendar.epoch_at(0), calendar.is_local(0)) == (4, 3, True)
        assert [c for c in range(5) if calendar.evaluation_due(c)] == [4]

    def test_beyond_the_end_the_last_stretch_goes_on(self) -> None:
        calendar = Calendar(2, 3, stretches=(Stretch(1), Stretch(3, Fraction(2))))
        assert (calendar.epoch_at(14), calendar.position(15)) == (5, 4.25)

    def test_what_is_left_counts_in_commits_like_the_last(self) -> None:
        assert Calendar(3, 5).commits_left(4) == 11
        assert MIXED.commits_left(6) == 4 * 6
        assert MIXED.commits_left(13) == 2.5 * 2

    def test_calendars_may_agree_up_to_a_commit(self) -> None:
        longer = Calendar(2, 9, stretches=(Stretch(2, Fraction(3)), Stretch(9)))
        assert MIXED.agrees(longer, 14) and not MIXED.agrees(longer, 16)
        assert not MIXED.agrees(Calendar(2, 5), 1)
        assert MIXED.agrees(Calendar(2, 5), 0)


_calendars = st.builds(
    lambda workers, lengths, local: Calendar(
        workers,
        sum(length for length, _ in lengths) + local,
        stretches=tuple(
            Stretch(sum(n for n, _ in lengths[: i + 1]), Fraction(often))
            for i, (_, often) in enumerate(lengths)
        ),
        local_epochs=local,
    ),
    st.integers(1, 5),
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 6)), min_size=1, max_size=4),
    st.integers(0, 3),
)


@given(_calendars)
def test_every_number_is_of_one_epoch(calendar: Calendar) -> None:
    epochs = [calendar.epoch_at(number) for number in range(calendar.total)]
    assert epochs == sorted(epochs) and epochs[-1] == calendar.epochs
    assert (
        calendar.epochs_done(calendar.total) == calendar.epochs == calendar.position(calendar.total)
    )
    for number, epoch in enumerate(epochs):
        assert calendar.first_number(epoch) <= number
        assert epochs.index(epoch) == calendar.first_number(epoch)
        assert calendar.ends_epoch(number + 1) == ([*epochs, None][number + 1] != epoch)
    positions = [calendar.position(number) for number in range(calendar.total + 1)]
    assert all(one < two for one, two in zip(positions, positions[1:]))


@given(st.integers(1, 64), st.integers(1, 50), st.integers(0, 3200))
def test_by_default_epochs_are_commits_over_workers(workers: int, epochs: int, commit: int) -> None:
    calendar = Calendar(workers, epochs)
    assert calendar.position(commit) == commit / workers
    assert calendar.epoch_at(commit) == commit // workers + 1
    assert calendar.epochs_done(commit) == commit // workers
    assert calendar.total == epochs * workers


@given(st.integers(1, 16), st.integers(1, 5), st.data())
def test_rounds_of_those_present_end_with_the_epoch_and_are_about_equally_long(
    workers: int, each: int, data: st.DataObject
) -> None:
    calendar = Calendar(workers, 2, stretches=(Stretch(2, Fraction(each)),))
    present = data.draw(st.integers(1, workers))
    ends = [0]
    while ends[-1] < calendar.total:
        ends.append(calendar.end_of_round(ends[-1], present))
    sizes = [end - start for start, end in zip(ends, ends[1:])]
    assert max(sizes) <= present and max(sizes) - min(sizes) <= 1
    assert workers * each in ends
    assert len(sizes) == 2 * -(-workers * each // present)
