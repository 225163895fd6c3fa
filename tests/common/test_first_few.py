from __future__ import annotations

from itertools import count

import pytest

from dbsl_tf.common.first_few import first_few


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["a"], "a"),
        (list("abcde"), "a, b, c, d, e"),
        (list("abcdef"), "a, b, c, d, e and 1 more"),
    ],
)
def test_names_beyond_the_first_five_are_counted(names, text):
    assert first_few(names, len(names)) == text


def test_no_more_names_are_made_than_are_shown():
    assert first_few(count(7), 10**9, at_most=2) == "7, 8 and 999999998 more"
