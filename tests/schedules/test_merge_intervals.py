"""How often an epoch is merged as the learning rate falls."""

from __future__ import annotations

from fractions import Fraction

from dbsl_tf.schedules import LearningRateFunction, LearningRateSchedule
from dbsl_tf.schedules.calendar import Calendar, Stretch
from dbsl_tf.schedules.merge_intervals import constant_stretches, quadratic_stretches


def often(calendar: Calendar) -> list[Fraction]:
    return [calendar.mini_epochs(epoch) for epoch in range(1, calendar.epochs + 1)]


class TestQuadraticStretches:
    def test_the_square_of_the_rate_over_the_highest_rounded_up(self) -> None:
        rates = LearningRateSchedule(0.2, milestones=(2, 4), gamma=0.5, warmup_epochs=1)
        found = quadratic_stretches(5, 8, rates.decayed_rate)
        # 8, then 8 / 4 and 8 / 16 rounded up, exactly.
        assert found == (Stretch(2, Fraction(8)), Stretch(4, Fraction(2)), Stretch(5, Fraction(1)))

    def test_a_cosine(self) -> None:
        rates = LearningRateSchedule(1.0, cosine_epochs=4)
        # The rates are 1, .854, .5, .146 of the highest.
        found = quadratic_stretches(4, 10, rates.decayed_rate)
        assert often(Calendar(1, 4, stretches=found)) == [10, 8, 3, 1]

    def test_in_a_warm_up_it_is_as_often_as_at_its_end(self) -> None:
        rates = LearningRateFunction(lambda epoch: min(epoch, 2) * 0.1 if epoch < 3 else 0.1)
        found = quadratic_stretches(5, 4, rates.decayed_rate)
        assert often(Calendar(1, 5, stretches=found)) == [4, 4, 4, 1, 1]

    def test_a_rate_of_nothing(self) -> None:
        assert quadratic_stretches(3, 4, lambda epoch: 0.0) == constant_stretches(3, 4)
        assert quadratic_stretches(0, 4, lambda epoch: 0.1) == ()
