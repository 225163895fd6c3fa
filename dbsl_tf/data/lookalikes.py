"""Names of files that look alike and yet are different."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from itertools import combinations

_NOT_SEEN = ("Cc", "Cf")  # control characters, and those without a width


def alike(names: Iterable[str], others: Iterable[str] | None = None) -> Iterator[tuple[str, str]]:
    """Yields the pairs of different names that look the same.

    Composed and decomposed letters look the same, as do blanks of all kinds, and blanks and control
    characters at the ends of a name cannot be seen.

    Args:
        names: the first of each pair is one of them.
        others: the second; None: another of `names`.

    Example:
        >>> list(alike(["ant", "bee"], ["ant ", "cat"]))
        [('ant', 'ant ')]
    """
    looks: dict[str, list[str]] = {}
    for name in names:
        looks.setdefault(_look(name), []).append(name)
    if others is None:
        for group in looks.values():
            yield from combinations(group, 2)
        return
    for other in others:
        for name in looks.get(_look(other), ()):
            if name != other:
                yield name, other


def _look(name: str) -> str:
    seen = "".join(
        " " if character.isspace() else character
        for character in unicodedata.normalize("NFC", name)
        if character.isspace() or unicodedata.category(character) not in _NOT_SEEN
    )
    return " ".join(seen.split())
