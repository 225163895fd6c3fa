"""Settings for all tests."""

from __future__ import annotations

import os

import pytest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Drop `tf.test.TestCase.test_session`, a deprecated helper that only looks like a test."""
    items[:] = [item for item in items if item.name != "test_session"]
