"""Nested values by dotted keys."""

from __future__ import annotations

from dbsl_tf.config.flat import flat


def test_nested_values_have_keys_with_dots() -> None:
    assert flat({"a": {"b": 1, "c": {"d": [2]}}, "e": None}) == {"a.b": 1, "a.c.d": [2], "e": None}
