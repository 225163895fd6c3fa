"""The words of errors."""

from __future__ import annotations

import doctest

from dbsl_tf.common import errors


def test_examples() -> None:
    assert doctest.testmod(errors) == (0, 2)
