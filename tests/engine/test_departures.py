"""A worker that is asked to end finishes its call, gets no other, and goes."""

from __future__ import annotations

import signal
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import tensorflow as tf

from dbsl_tf.cluster.probing import reachable
from dbsl_tf.common import awake
from dbsl_tf.engine.membership import Membership
from tests.support.isolation import on_cluster, signal_own_worker
from tests.support.patience import wait_until


class TestMembership:
    def test_a_leaving_worker_is_not_back_before_it_has_been_started_again(self) -> None:
        membership = Membership(2)
        changes: list[tuple[int, str | None]] = []
        membership.subscribe(lambda worker, reason: changes.append((worker, reason)))
        membership.mark_leaving(1, "it has to go")
        membership.mark_alive(1)  # The result of its last call.
        assert membership.absent == {1: "it has to go"}
        membership.mark_staying(1)
        assert membership.present == (0,)
        membership.mark_alive(1)
        assert membership.present == (0, 1)
        assert changes == [(1, "it has to go"), (1, None)]

    def test_it_knows_for_how_long_a_worker_has_been_absent(self, monkeypatch) -> None:
        now = 100.0
        monkeypatch.setattr(awake, "seconds", lambda: now)
        membership = Membership(3)
        assert membership.absent_seconds == {}
        membership.mark_lost(1, "found dead")
        now = 107.0
        membership.mark_lost(1, "found dead again")
        membership.mark_lost(2, "found dead")
        now = 110.0
        assert membership.absent_seconds == {1: 10.0, 2: 3.0}
        membership.mark_alive(1)
        assert membership.absent_seconds == {2: 3.0}
        membership.mark_lost(1, "found dead")
        assert membership.absent_seconds == {1: 0.0, 2: 3.0}


def workers_that_leave(engine, folder):
    """Who runs calls when the worker of one is asked to end, and whether both workers go."""
    import tensorflow as tf

    @engine.closure
    def index_once_there_is(number):
        """The worker that runs it marks itself, and waits for the file of this number."""
        worker = engine.worker_index()
        mark = tf.strings.join([folder, "/worker-", tf.strings.as_string(worker)])
        file = tf.strings.join([folder, "/", tf.strings.as_string(number)])
        with tf.control_dependencies([tf.io.write_file(mark, "")]):
            waited = tf.while_loop(
                lambda rounds: tf.equal(tf.size(tf.io.matching_files(file)), 0),
                lambda rounds: [rounds + 1],
                [tf.constant(0)],
            )
        with tf.control_dependencies(waited):
            return tf.identity(worker)

    def start(number):
        return engine.start(index_once_there_is, np.int32(number))

    def gone(worker):
        return not reachable(engine._worker_addresses[worker])

    def marks():
        return [int(file.name.rpartition("-")[2]) for file in Path(folder).glob("worker-*")]

    Path(folder, "0").touch()
    wait_until(lambda: {int(start(0).result()) for _ in range(4)} == {0, 1}, 1)
    for worker in marks():
        Path(folder, f"worker-{worker}").unlink()
    call = start(1)
    wait_until(marks, 1)
    (leaving,) = marks()
    signal_own_worker(leaving, signal.SIGTERM)
    wait_until(lambda: [s.name for s in engine.departures.leaving] == [f"worker-{leaving}"], 1)
    others = [int(start(0).result()) for _ in range(20)]
    stays = not gone(leaving) and leaving in engine.membership.present
    Path(folder, "1").touch()
    own = int(call.result())
    wait_until(lambda: gone(leaving), 1)
    absent = engine.membership.absent
    signal_own_worker(1 - leaving, signal.SIGTERM)
    wait_until(lambda: gone(1 - leaving), 1)
    return leaving, stays, others, own, absent


@pytest.mark.cluster
class DepartureTest(tf.test.TestCase):
    def test_a_worker_that_is_asked_to_end_finishes_its_call_and_gets_no_other(self):
        folder = self.enterContext(TemporaryDirectory())
        leaving, stays, others, own, absent = on_cluster(workers_that_leave, folder, workers=2)
        self.assertTrue(stays)
        self.assertEqual(others, [1 - leaving] * 20)
        self.assertEqual(own, leaving)
        self.assertEqual(absent, {leaving: "it was asked to end, by SIGTERM"})


if __name__ == "__main__":
    tf.test.main()
