"""The order of rows: what is told apart, and what is concluded from it."""

from __future__ import annotations

from math import isclose, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsl_tf.reproducing.verdict import judge

# Whole numbers, so that sums and differences are exact.
VALUES = st.integers(-1000, 1000)
ROWS = st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=10)
ORDERS = ("same", "reversed", "not told apart")


def seeds(value: float, half: float) -> list[float]:
    """Two seeds around a mean."""
    return [value - half, value + half]


def counts(published, measured) -> list[int]:
    verdict = judge(published, measured)
    return [len(verdict.of(order)) for order in ORDERS]


class TestByHand:
    def test_two_rows(self):
        verdict = judge([67.8, 70.6], [[55.0, 55.4], [57.9, 58.1]])
        # Variances 0.08 and 0.02, pooled 0.05; two standard errors of a difference of means of two.
        assert verdict.deviation == pytest.approx(sqrt(0.05))
        (pair,) = verdict.pairs
        assert (pair.published, pair.measured) == pytest.approx((2.8, 2.8))
        assert pair.spread == pytest.approx(2 * sqrt(0.05))
        assert verdict.correlation == pytest.approx(1)

    @pytest.mark.parametrize(
        ("measured", "conclusion"),
        [
            ([1, 2, 3], "the published order, as far as rows are told apart"),
            ([1, 2, 2], "the published order, as far as rows are told apart"),
            ([2, 1, 3], "the published order in part"),
            ([3, 2, 1], "not the published order"),
            ([2, 2, 2], "cannot be told: no two rows are told apart"),
        ],
    )
    def test_the_conclusion(self, measured, conclusion):
        verdict = judge([10, 20, 30], [seeds(value, 0.1) for value in measured])
        assert verdict.conclusion == conclusion

    def test_more_seeds_tell_closer_rows_apart(self):
        for repetitions, order in ((1, "not told apart"), (8, "same")):
            verdict = judge([1, 2], [[9, 11] * repetitions, [10, 12] * repetitions])
            assert len(verdict.of(order)) == 1

    def test_one_seed_tells_nothing_but_the_correlation(self):
        verdict = judge([1, 2, 3], [[1], [2], [3]])
        assert verdict.conclusion == "cannot be told with one seed for each row"
        assert (len(verdict.of("not told apart")), verdict.correlation) == (3, 1)

    def test_rows_without_a_value_on_one_side_do_not_count(self):
        verdict = judge([1, None, 3, 4], [[1, 1.1], [2, 2.1], [], [4, 4.1]])
        assert verdict.rows == 2
        assert [(pair.first, pair.second) for pair in verdict.pairs] == [(0, 3)]

    @pytest.mark.parametrize("measured", [[[], []], [[1, 2], []]])
    def test_there_may_be_nothing_yet(self, measured):
        verdict = judge([1, 2], measured)
        assert (verdict.correlation, verdict.conclusion) == (None, "nothing to compare yet")

    def test_the_largest_published_difference_comes_first(self):
        verdict = judge([1, 2, 9], [seeds(3, 0.1), seeds(2, 0.1), seeds(1, 0.1)])
        assert [pair.published for pair in verdict.of("reversed")] == [8, 7, 1]


class TestProperties:
    @given(ROWS)
    def test_every_pair_that_was_published_as_different_is_judged_once(self, rows):
        published = [value for value, _ in rows]
        found = judge(published, [seeds(value, 1) for _, value in rows])
        different = sum(
            one != other for index, one in enumerate(published) for other in published[:index]
        )
        assert sum(len(found.of(order)) for order in ORDERS) == len(found.pairs) == different

    @given(st.lists(VALUES, min_size=2, max_size=10, unique=True), st.integers(1, 5))
    def test_the_published_order_is_never_reversed(self, published, factor):
        found = judge(published, [seeds(factor * value + 3, 1) for value in published])
        assert not found.of("reversed")
        assert isclose(found.correlation, 1)

    @given(ROWS)
    def test_what_is_the_same_becomes_reversed_when_the_measured_order_is_turned(self, rows):
        published = [value for value, _ in rows]
        same, reverse, undecided = counts(published, [seeds(value, 1) for _, value in rows])
        turned = counts(published, [seeds(-value, 1) for _, value in rows])
        assert turned == [reverse, same, undecided]

    @given(ROWS, st.randoms(use_true_random=False))
    def test_the_order_in_which_rows_are_listed_does_not_matter(self, rows, random):
        def judged() -> list[int]:
            return counts([p for p, _ in rows], [seeds(m, 1) for _, m in rows])

        before = judged()
        random.shuffle(rows)
        assert judged() == before

    @given(ROWS, st.integers(1, 50), st.integers(0, 50))
    def test_a_wider_spread_never_tells_more_apart(self, rows, half, wider):
        published = [value for value, _ in rows]
        narrow, wide = (
            counts(published, [seeds(value, half + more) for _, value in rows])
            for more in (0, wider)
        )
        assert wide[0] <= narrow[0] and wide[1] <= narrow[1]
