from __future__ import annotations

import pytest

from dbsl_tf.planning.advice import few_small_workers, nearest_to_advised


@pytest.mark.parametrize(
    ("small_workers", "workers", "few"),
    [(1, 8, True), (2, 8, True), (3, 8, False), (1, 4, True), (2, 4, False), (0, 8, False)],
)
def test_one_in_four_or_fewer_are_few(small_workers: int, workers: int, few: bool) -> None:
    assert (few_small_workers(small_workers, workers) is not None) == few


def test_one_of_two_or_three_is_not_one_of_many() -> None:
    assert few_small_workers(1, 2) is few_small_workers(1, 3) is None


def test_it_says_what_came_of_it_and_what_to_try() -> None:
    text = few_small_workers(1, 8) or ""
    assert "59.9 % with one small worker" in text
    assert "dual_batch.small_workers=6" in text


def test_three_in_four_are_the_aim() -> None:
    assert [nearest_to_advised(range(1, n + 1), n) for n in (1, 2, 3, 4, 8)] == [1, 1, 2, 3, 6]
    assert nearest_to_advised([1, 4], 4) == 4
