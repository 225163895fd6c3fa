"""Overrides made of texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbsl_tf.config import load_config
from dbsl_tf.config.flat import flat, override

CONFIG = Path(__file__).parents[2] / "configs" / "quickstart.yaml"


@pytest.mark.parametrize("path", ["runs/a", "o #1/a", "[a]", "a: b", "12", "null", "it's", '"'])
def test_a_path_comes_back(path: str) -> None:
    config = load_config(CONFIG, [override("run.dir", path)])
    assert config.run.dir == Path(path)


def test_what_is_plain_is_not_quoted() -> None:
    assert override("run.dir", "runs/a-1") == "run.dir=runs/a-1"


def test_nested_values_have_keys_with_dots() -> None:
    assert flat({"a": {"b": 1, "c": {"d": [2]}}, "e": None}) == {"a.b": 1, "a.c.d": [2], "e": None}
