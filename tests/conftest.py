"""Settings for all tests."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from dbsl_tf.common import onednn

# Before any test loads TensorFlow, and as the product does.
onednn.apply("auto")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Other tests run at the same time: how long an example takes says nothing.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

MISSED_TIME_LIMITS = ["TimeoutExpired", "did not end in", "gave no result in", "cannot be reached"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Drop what only looks like a test, and give those with a cluster a second try.

    The former is `tf.test.TestCase.test_session`, a deprecated helper. On a loaded machine real
    processes can miss a time limit: only such a failure is tried again, and counted as rerun.
    """
    items[:] = [item for item in items if item.name != "test_session"]
    for item in items:
        if item.get_closest_marker("cluster"):
            item.add_marker(pytest.mark.flaky(reruns=1, only_rerun=MISSED_TIME_LIMITS))
