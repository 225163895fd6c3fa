from __future__ import annotations

from fractions import Fraction

from dbsl_tf.planning import PlanRequest, TimeModel
from dbsl_tf.planning.shares import divide, exact, rounding_rule


def test_a_number_is_taken_as_it_is_written() -> None:
    assert exact(1.1) == Fraction(11, 10)
    assert exact(1e-05) == Fraction(1, 100_000)


def test_halves_go_up_to_the_nearest() -> None:
    nearest = rounding_rule("nearest")
    assert [nearest(Fraction(number, 2)) for number in (1, 3, 5, 6)] == [1, 2, 3, 3]


def test_truncation_does_not_see_floating_point_noise() -> None:
    # In floating point 1.15 * 50000 / 4 is 14374.999999999998.
    request = PlanRequest(TimeModel(0.00056607, 0.014041204118283607), 50_000, 4, 3, 500, "floor")
    assert divide(request, exact(1.15)).large_samples == 14_375


def test_a_small_share_that_truncation_puts_above_the_large_one() -> None:
    # d_L = 33 of 33.33, d_S = 100 - 2 * 33 = 34: the small batch stays at B_L.
    request = PlanRequest(TimeModel(0.01, 0.0001), 100, 3, 1, 10, "floor")
    shares = divide(request, Fraction(1))
    assert (shares.large_samples, shares.small_samples, shares.small_batch) == (33, 34, 10)
