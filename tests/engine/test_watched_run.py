"""Work that ends by itself, fails, or would wait for ever."""

from __future__ import annotations

import threading
import unittest

from dbsl_tf.common.errors import ClusterError
from dbsl_tf.engine.watched_run import run_watched


class RunWatchedTest(unittest.TestCase):
    def test_the_result_is_passed_on(self):
        self.assertEqual(run_watched(lambda: 7, lambda: None), 7)

    def test_what_the_work_raises_is_passed_on(self):
        with self.assertRaisesRegex(KeyError, "lost"):
            run_watched(lambda: {}["lost"], lambda: None)

    def test_a_check_ends_the_waiting(self):
        released = threading.Event()
        self.addCleanup(released.set)
        checks = iter(range(3))

        def check():
            if next(checks) == 2:
                raise ClusterError("no worker is left")

        with self.assertRaisesRegex(ClusterError, "no worker is left"):
            run_watched(released.wait, check)

    def test_a_deadline_ends_the_waiting(self):
        released = threading.Event()
        self.addCleanup(released.set)
        with self.assertRaisesRegex(ClusterError, "not ready within"):
            run_watched(released.wait, lambda: None, timeout=0.1)


if __name__ == "__main__":
    unittest.main()
