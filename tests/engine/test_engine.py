"""Calls on a real cluster beside one that fails: each has its own result, or its own error."""

from __future__ import annotations

import signal
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from tests.support.isolation import on_cluster, signal_own_worker

LONG_SECONDS = 3.0
LONG_CALLS = 5
PATIENCE = 10.0


def closures(engine):
    """Starters of a call that takes some seconds, and of one that fails; both are traced."""
    import tensorflow as tf

    @engine.closure
    def wait_and_double(number, seconds):
        end = tf.timestamp() + seconds
        waited = tf.while_loop(
            lambda rounds: tf.timestamp() < end, lambda rounds: [rounds + 1], [tf.constant(0)]
        )
        with tf.control_dependencies(waited):
            return 2 * number

    @engine.closure
    def fail(number):
        with tf.control_dependencies([tf.debugging.Assert(number < 1, ["above 0:", number])]):
            return tf.identity(number)

    def slow(number, seconds=0.0):
        return engine.start(wait_and_double, np.int32(number), np.float64(seconds))

    slow(0).result()
    engine.call(fail, np.int32(0))
    return slow, lambda: engine.start(fail, np.int32(7))


def message_of(call):
    from dbsl_tf.common.errors import ClusterError

    try:
        return call.result()
    except ClusterError as error:
        return str(error)


def calls_beside_a_failure(engine):
    """Long calls are under way or wait when another fails, and one is begun after that."""
    slow, fail = closures(engine)
    first = slow(0, LONG_SECONDS)
    failing = fail()
    others = [slow(number, LONG_SECONDS) for number in range(1, LONG_CALLS)]
    message = message_of(failing)
    later = slow(LONG_CALLS)
    return message, [int(call.result()) for call in (first, *others, later)]


def a_failure_while_a_worker_hangs(engine):
    """Worker 1 is stopped in its call, another fails on worker 0, and one is begun after that."""
    slow, fail = closures(engine)
    calls = [slow(number, 1.0) for number in range(2)]
    time.sleep(0.5)
    signal_own_worker(1, signal.SIGSTOP)
    message_of(fail())
    idle = engine.scheduling_seconds
    later = threading.Thread(target=lambda: calls.append(slow(2)))
    later.start()
    deadline = time.monotonic() + PATIENCE
    while engine.scheduling_seconds < 1.0 and time.monotonic() < deadline:
        time.sleep(0.05)
    waited = engine.scheduling_seconds
    signal_own_worker(1, signal.SIGCONT)
    later.join(PATIENCE)
    return idle, waited, [int(call.result()) for call in calls], engine.scheduling_seconds


@pytest.mark.cluster
class EngineTest(tf.test.TestCase):
    def test_a_call_that_fails_takes_no_other_with_it(self):
        message, results = on_cluster(calls_beside_a_failure, workers=3)
        self.assertRegex(message, r"worker \d failed .InvalidArgumentError.*above 0:")
        self.assertEqual(results, [2 * number for number in range(LONG_CALLS + 1)])

    def test_it_is_known_for_how_long_the_cluster_takes_no_call(self):
        idle, waited, results, at_last = on_cluster(a_failure_while_a_worker_hangs, workers=2)
        self.assertEqual((idle, at_last), (0.0, 0.0))
        self.assertGreater(waited, 1.0)
        self.assertEqual(results, [0, 2, 4])


if __name__ == "__main__":
    tf.test.main()
