"""A list of names of which a line holds only the first few."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

AT_MOST = 5


def first_few(names: Iterable[object], count: int, at_most: int = AT_MOST) -> str:
    """Returns the first names, and how many there are beside them.

    Args:
        names: in the order in which they are named.
        count: how many there are.
        at_most: how many are named.

    Example:
        >>> first_few(range(1, 10), 9)
        '1, 2, 3, 4, 5 and 4 more'
        >>> first_few(["cat", "dog"], 2)
        'cat, dog'
    """
    more = count - at_most
    named = ", ".join(str(name) for name in islice(names, at_most))
    return named + (f" and {more} more" if more > 0 else "")
