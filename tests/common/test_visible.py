"""Text whose characters can all be seen."""

from __future__ import annotations

import doctest
import os

import pytest

from dbsl_tf.common import visible as module
from dbsl_tf.common.visible import visible


def test_examples() -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("text", ["plain", "Zürich 東京 [red] 100 %", "it's \\r"])
def test_what_can_be_seen_stays(text: str) -> None:
    assert visible(text) == text


def test_names_that_are_no_text_are_escaped() -> None:
    assert visible(os.fsdecode(b"a\xff")) == "a\\udcff"
