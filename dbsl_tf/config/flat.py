"""Nested values by dotted keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns nested values by their dotted keys, such as `dual_batch.small_workers`.

    Example:
        >>> flat({"run": {"seed": 0}})
        {'run.seed': 0}
    """
    return dict(_items(values, ""))


def _items(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _items(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
