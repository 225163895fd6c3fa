"""Dotted keys: flattening nested values to them, and writing overrides."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from dbsl_tf.config.yaml_text import YamlProblem, read_yaml


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


def override(key: str, value: str) -> str:
    """Returns a command-line override that sets a key to a text, quoted if YAML requires that."""
    try:
        plain = read_yaml(value) == value
    except YamlProblem:
        plain = False
    return f"{key}={value if plain else json.dumps(value)}"
