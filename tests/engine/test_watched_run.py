"""Work that ends by itself, fails, or would wait for ever."""

from __future__ import annotations

import threading
import time

import pytest

from dbsl_tf.common.errors import ClusterError
from dbsl_tf.engine.watched_run import run_watched

STANDSTILL = 2.0


@pytest.fixture
def released():
    """Is set when the test has ended, so that no thread is left that waits for it."""
    event = threading.Event()
    yield event
    event.set()


class TestRunWatched:
    def test_the_result_is_passed_on(self):
        assert run_watched(lambda: 7, lambda: None) == 7

    def test_what_the_work_raises_is_passed_on(self):
        with pytest.raises(KeyError, match="lost"):
            run_watched(lambda: {}["lost"], lambda: None)

    def test_a_check_ends_the_waiting(self, released):
        checks = iter(range(3))

        def check():
            if next(checks) == 2:
                raise ClusterError("no worker is left")

        with pytest.raises(ClusterError, match="no worker is left"):
            run_watched(released.wait, check)

    def test_so_does_a_standstill(self, released):
        with pytest.raises(ClusterError, match="no progress for"):
            run_watched(released.wait, lambda: None, standstill=0.1)

    def test_work_that_computes_is_no_standstill(self):
        """For longer than it may stand still, by its own time."""

        def compute():
            while time.thread_time() < 1.5 * STANDSTILL:
                pass
            return "done"

        assert run_watched(compute, lambda: None, standstill=STANDSTILL) == "done"
