"""A worker that hangs, distinguished on a real cluster from one that is only slow."""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest
import tensorflow as tf

from dbsl_tf.common.patience import Limits, Patience
from tests.support.isolation import on_cluster, signal_own_worker
from tests.support.patience import at_most

# Whoever takes longer than a moment is asked whether it answers.
PATIENCE = Patience(seconds=0.1, most=1e9)


class Hurried(Limits):
    """Not to wait long for a worker that hangs."""

    answer = at_most(0.3)


def slow_and_hung(engine):
    """What comes of calls that take long: of a busy worker, and of one that is stopped."""
    import tensorflow as tf

    from dbsl_tf.engine.engine import WorkerHung

    engine.limits = Hurried()

    @engine.closure
    def multiply(rounds):
        matrix = tf.random.normal([1000, 1000])
        product = tf.while_loop(
            lambda i, m: i < rounds,
            lambda i, m: (i + 1, tf.math.l2_normalize(m @ matrix)),
            [tf.constant(0), matrix],
        )[1]
        with tf.control_dependencies([product]):
            return tf.identity(rounds)

    def seconds_of(rounds):
        began = time.monotonic()
        engine.start(multiply, np.int32(rounds)).result(lambda worker: PATIENCE)
        return time.monotonic() - began

    seconds_of(1)
    rounds = 10
    # Several times as long as a worker has for its answer.
    while (seconds := seconds_of(rounds)) < 3 * Hurried.answer:
        rounds = int(rounds * min(10, 4 * Hurried.answer / seconds))
    call = engine.start(multiply, np.int32(100 * rounds))
    time.sleep(1)
    signal_own_worker(0, signal.SIGSTOP)
    try:
        call.result(lambda worker: PATIENCE)
    except WorkerHung as hung:
        return seconds, hung.worker, engine.membership.present
    return seconds, None, engine.membership.present


@pytest.mark.cluster
class HangTest(tf.test.TestCase):
    @pytest.mark.slow
    def test_a_busy_worker_is_waited_for_and_a_stopped_one_is_not(self):
        seconds, hung, present = on_cluster(slow_and_hung, workers=1)
        self.assertGreater(seconds, 3 * Hurried.answer)
        self.assertEqual((hung, present), (0, ()))


if __name__ == "__main__":
    tf.test.main()
