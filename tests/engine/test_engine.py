"""Calls on a real cluster beside one that fails: each has its own result, or its own error."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import tensorflow as tf

from tests.support.isolation import on_shared_cluster, signal_own_worker
from tests.support.patience import at_most, wait_until

CALLS = 5


def closures(engine, folder):
    """Starters of a call that leaves a mark and waits, and of one that fails; both are traced.

    The call of a number marks its worker by a file `worker-<index>`, ends when there is a file
    `<number>`, and doubles the number.
    """
    import tensorflow as tf

    def is_there(name):
        return tf.size(tf.io.matching_files(tf.strings.join([folder, "/", name]))) > 0

    @engine.closure
    def wait_and_double(number):
        name = tf.strings.join([folder, "/worker-", tf.strings.as_string(engine.worker_index())])
        with tf.control_dependencies([tf.io.write_file(name, "")]):
            waited = tf.while_loop(
                lambda rounds: tf.logical_not(is_there(tf.strings.as_string(number))),
                lambda rounds: [rounds + 1],
                [tf.constant(0)],
            )
        with tf.control_dependencies(waited):
            return 2 * number

    @engine.closure
    def fail(number):
        with tf.control_dependencies([tf.debugging.Assert(number < 1, ["above 0:", number])]):
            return tf.identity(number)

    def start(number):
        return engine.start(wait_and_double, np.int32(number))

    Path(folder, "0").touch()
    start(0).result()
    engine.call(fail, np.int32(0))
    for file in Path(folder).iterdir():
        file.unlink()
    return start, lambda: engine.start(fail, np.int32(7))


def message_of(call):
    from dbsl_tf.common.errors import ClusterError

    try:
        return call.result()
    except ClusterError as error:
        return str(error)


def calls_beside_a_failure(engine, folder):
    """Calls are under way or wait when another fails, and one is begun after that."""
    start, fail = closures(engine, folder)
    first = start(0)
    wait_until(lambda: any(Path(folder).iterdir()))

    def let_end():
        for number in range(CALLS + 1):
            Path(folder, str(number)).touch()

    failing = fail()
    # TensorFlow lets no call be started until those under way have noticed that they are
    # cancelled. One that a worker takes at that very moment does not, and must end by itself.
    late = threading.Timer(at_most(0.5), let_end)
    late.start()
    others = [start(number) for number in range(1, CALLS)]
    message = message_of(failing)
    late.cancel()
    let_end()
    later = start(CALLS)
    return message, [int(call.result()) for call in (first, *others, later)]


def a_failure_while_a_worker_hangs(engine, folder):
    """Worker 1 is stopped in its call, another fails on worker 0, and one is begun after that."""
    start, fail = closures(engine, folder)
    calls = [start(number) for number in range(2)]
    wait_until(lambda: all(Path(folder, f"worker-{index}").exists() for index in range(2)))
    signal_own_worker(1, signal.SIGSTOP)
    for number in range(3):
        Path(folder, str(number)).touch()
    message_of(fail())
    later = threading.Thread(target=lambda: calls.append(start(2)))
    later.start()
    # TensorFlow may wait for the stopped worker until it goes on, or cancel its call at once.
    wait_until(lambda: engine.scheduling_seconds > 1.0 or not later.is_alive())
    signal_own_worker(1, signal.SIGCONT)
    later.join()
    return [int(call.result()) for call in calls]


def a_cluster_that_takes_no_call(engine, folder):
    """The seconds before, after and while scheduling waits; the result of the call."""
    start, _ = closures(engine, folder)
    Path(folder, "0").touch()
    coordinator = engine._coordinator
    schedule, may_go_on = coordinator.schedule, threading.Event()

    def schedule_later(*arguments, **options):
        may_go_on.wait()
        return schedule(*arguments, **options)

    before = engine.scheduling_seconds
    coordinator.schedule = schedule_later
    calls = []
    try:
        waiting = threading.Thread(target=lambda: calls.append(start(0)))
        waiting.start()
        wait_until(lambda: engine.scheduling_seconds > 1.0)
    finally:
        may_go_on.set()
        del coordinator.schedule
    waiting.join()
    return before, engine.scheduling_seconds, int(calls[0].result())


def traces_looked_for(engine):
    """How often a trace is looked for in three calls of the same closure, and their results."""
    looked_for = []

    @engine.closure
    def double(number):
        return 2 * number

    make = double._make_function

    def make_noting(structure):
        layout, function = make(structure)
        get = function.get_concrete_function
        function.get_concrete_function = lambda *arguments: looked_for.append(1) or get(*arguments)
        return layout, function

    double._make_function = make_noting
    results = [int(engine.call(double, np.int32(number))) for number in range(3)]
    return len(looked_for), results


def sizes_of_elements(engine):
    """What a closure finds that takes elements of one kind of datasets and of another, twice."""

    @engine.closure
    def size(elements):
        return tf.size(next(elements))

    def dataset_of(shape):
        return engine.worker_datasets(lambda: tf.data.Dataset.from_tensors(tf.zeros(shape)))

    kinds = [dataset_of([2]), dataset_of([3, 4])]
    return [int(engine.call(size, kind.iterator())) for kind in kinds * 2]


@pytest.mark.cluster
@pytest.mark.xdist_group("shared cluster")
class EngineTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = self.enterContext(TemporaryDirectory())

    def test_a_call_that_fails_takes_no_other_with_it(self):
        message, results = on_shared_cluster(calls_beside_a_failure, self.folder)
        self.assertRegex(message, r"worker \d failed .InvalidArgumentError.*above 0:")
        self.assertEqual(results, [2 * number for number in range(CALLS + 1)])

    def test_a_failure_beside_a_worker_that_hangs_takes_no_other_call_with_it(self):
        results = on_shared_cluster(a_failure_while_a_worker_hangs, self.folder)
        self.assertEqual(results, [0, 2, 4])

    def test_it_is_known_for_how_long_the_cluster_takes_no_call(self):
        seconds = on_shared_cluster(a_cluster_that_takes_no_call, self.folder)
        self.assertEqual(seconds, (0.0, 0.0, 0))

    def test_the_trace_of_a_closure_is_looked_for_once(self):
        looked_for, results = on_shared_cluster(traces_looked_for)
        self.assertEqual((looked_for, results), (1, [0, 2, 4]))

    def test_a_closure_takes_elements_of_several_kinds(self):
        self.assertEqual(on_shared_cluster(sizes_of_elements), [2, 12, 2, 12])


if __name__ == "__main__":
    tf.test.main()
