from __future__ import annotations

from fractions import Fraction

from dbsl_tf.planning import PlanRequest, TimeModel
from dbsl_tf.planning.shares import divide, exact, rounding_rule


def test_a_number_is_taken_as_it_is_written() -> None:
    assert exact(1.1) == Fraction(11, 10)
    assert exact(1e-05) == Fraction(1, 100_000)


def test_halves_go_to_the_even_number() -> None:
    nearest = rounding_rule("nearest")
    assert [nearest(Fraction(number, 2)) for number in (1, 3, 5, 6, 7)] == [0, 2, 2, 3, 4]


def test_truncation_does_not_see_floating_point_noise() -> None:
    # In floating point 1.15 * 50000 / 4 is 14374.999999999998.
    request = PlanRequest(TimeModel(0.00056607, 0.014041204118283607), 50_000, 4, 3, 500, "floor")
    assert divide(request, exact(1.15)).large_samples == 14_375


def test_a_small_share_that_truncation_puts_above_the_large_one() -> None:
    # d_L = 33 of 33.33, d_S = 100 - 2 * 33 = 34: the small batch stays at B_L.
    request = PlanRequest(TimeModel(0.01, 0.0001), 100, 3, 1, 10, "floor")
    shares = divide(request, Fraction(1))
    assert (shares.large_samples, shares.small_samples, shares.small_batch) == (33, 34, 10)


def test_ratio_one_has_a_plan_however_few_the_samples() -> None:
    # d_L = 2 of 11 / 7, so that six large workers take 12 of the 11 samples.
    request = PlanRequest(TimeModel(0.01, 0.0001), 11, 7, 1, 10, "nearest")
    assert divide(request, Fraction(1)).small_samples == 1
    assert divide(request, exact(1.001)).small_samples < 1
    # Eq. 8 gives b / ((a + b / 10) 1.75 / 1 - a) = 0.013.
    request = PlanRequest(TimeModel(0.01, 0.0001), 7, 4, 4, 10, "floor")
    assert divide(request, Fraction(1)).small_batch == 10
    assert divide(request, exact(1.001)).small_batch == 0
