"""Calls on a real cluster beside one that fails: each has its own result, or its own error."""

from __future__ import annotations

import pytest
import tensorflow as tf

from tests.support.isolation import on_cluster

LONG_SECONDS = 3.0


def calls_beside_a_failure(engine):
    """A long call is under way when another fails, and a third is begun after that."""
    import tensorflow as tf

    from dbsl_tf.common.errors import ClusterError

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
        with tf.control_dependencies(
            [tf.debugging.Assert(number < 0, ["not below zero:", number])]
        ):
            return tf.identity(number)

    engine.call(wait_and_double, 0, 0.0)
    long = engine.start(wait_and_double, 1, LONG_SECONDS)
    failing = engine.start(fail, 7)
    message = ""
    try:
        failing.result()
    except ClusterError as error:
        message = str(error)
    later = engine.start(wait_and_double, 2, 0.0)
    return message, int(later.result()), int(long.result())


@pytest.mark.cluster
class EngineTest(tf.test.TestCase):
    def test_a_call_that_fails_takes_no_other_with_it(self):
        message, later, long = on_cluster(calls_beside_a_failure, workers=2)
        self.assertRegex(message, "a worker failed .InvalidArgumentError.*not below zero")
        self.assertEqual((later, long), (4, 2))


if __name__ == "__main__":
    tf.test.main()
