"""Who hangs, from what workers said they took up; no cluster."""

from __future__ import annotations

import pytest

from dbsl_tf.common import awake
from dbsl_tf.common.patience import Patience
from dbsl_tf.engine import worker_watch
from dbsl_tf.engine.membership import Membership
from dbsl_tf.engine.worker_watch import CallWatch, PresenceWatch

TIMEOUT = 2.0
PATIENCE = Patience(TIMEOUT, TIMEOUT)


class TestCallWatch:
    @pytest.fixture(autouse=True)
    def _set_up(self, monkeypatch):
        monkeypatch.setattr(worker_watch, "_FRESH", 0.0)
        self.now = 100.0
        monkeypatch.setattr(awake, "seconds", self.tick)
        self.membership = Membership(3)
        self.taken = [0, 0, 0]
        self.watch = CallWatch(lambda: list(self.taken), self.membership)
        for worker, ticket in enumerate((1, 2, 3)):
            self.watch.started(ticket)
            self.taken[worker] = ticket
        self.look()
        for ticket in (1, 2, 3):
            self.watch.finished(ticket)

    def tick(self):
        self.now += 0.001
        return self.now

    def hang(self, ticket, patience=PATIENCE, silent=()):
        return self.watch.hang(ticket, lambda worker: patience, lambda worker: worker in silent)

    def look(self):
        for ticket in (1, 2, 3, 4, 5):
            self.hang(ticket, Patience(1e9, 1e9))

    def test_one_that_takes_too_long_hangs(self):
        self.watch.started(4)
        self.taken[1] = 4
        assert self.hang(4) is None
        self.now += 2 * TIMEOUT
        assert self.hang(4).worker == 1

    def test_one_that_was_stopped_before_it_could_say_so_hangs(self):
        for ticket in (4, 5, 6):
            self.watch.started(ticket)
        self.taken[0], self.taken[2] = 4, 6
        self.look()
        self.watch.finished(4)  # worker 0 is idle now, but has been seen since
        self.now += 2 * TIMEOUT
        assert self.hang(5).worker == 1

    def test_one_that_was_stopped_between_two_calls_hangs(self):
        for ticket in (4, 5):
            self.watch.started(ticket)
        self.taken[1] = 4
        self.look()
        self.watch.finished(4)  # after call 5 was given to the cluster
        self.now += 2 * TIMEOUT
        assert self.hang(5, silent=(1,)).worker == 1

    def test_a_call_that_waits_for_busy_workers_is_no_hang(self):
        self.membership.mark_lost(1, "dead")
        for ticket in (4, 5, 6):
            self.watch.started(ticket)
        self.taken[0], self.taken[2] = 4, 6
        self.now += 2 * TIMEOUT
        assert self.hang(5) is None

    def test_one_whose_host_vanished_with_a_call_hangs(self):
        self.watch.started(4)
        self.taken[1] = 4
        self.look()
        patience = Patience(1e9, 1e9)
        assert self.hang(4, patience) is None
        self.now += 10
        assert self.hang(4, patience) is None
        self.membership.mark_lost(1, "its port is closed")
        assert self.hang(4, patience).worker == 1

    def test_a_call_that_is_run_again_by_another_does_not_hang(self):
        self.watch.started(4)
        self.taken[1] = 4
        self.look()
        self.membership.mark_lost(1, "its port is closed")
        self.now += 10
        self.taken[2] = 4
        self.look()
        self.now += 10
        assert self.hang(4, Patience(1e9, 1e9)) is None

    def test_one_whose_host_vanished_before_it_could_say_so_hangs(self):
        self.membership.mark_lost(1, "its port is closed")
        self.watch.started(4)
        for ticket, worker in ((5, 0), (6, 2)):
            self.watch.started(ticket)
            self.taken[worker] = ticket
            self.look()
            self.watch.finished(ticket)
        self.now += 2 * TIMEOUT
        assert self.hang(4).worker == 1

    def test_taking_up_a_call_is_an_answer(self):
        self.membership.mark_lost(2, "hung")
        self.watch.started(4)
        self.taken[2] = 4
        self.hang(4)
        assert self.membership.present == (0, 1, 2)

    def test_one_that_takes_long_but_answers_does_not_hang(self):
        self.watch.started(4)
        self.taken[1] = 4
        self.look()
        self.now += 2 * TIMEOUT
        patience = Patience(TIMEOUT, 1e9)
        assert self.hang(4, patience, silent=(0, 2)) is None
        assert self.hang(4, patience, silent=(1,)).worker == 1

    def test_of_those_who_may_have_taken_a_call_up_the_silent_one_hangs(self):
        self.watch.started(4)
        self.look()
        self.now += 2 * TIMEOUT
        patience = Patience(TIMEOUT, 1e9)
        assert self.hang(4, patience) is None
        assert self.hang(4, patience, silent=(2,)).worker == 2


class TestPresenceWatch:
    def look(self, *, reachable=True, quiet=100.0, silence=100.0):
        """Whether a worker of which this is known is marked as absent."""
        membership = Membership(2)
        watch = PresenceWatch(
            ["a:1", "b:2"], membership, lambda worker: quiet, lambda address: silence, 10.0
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(worker_watch, "reachable", lambda address: reachable)
            for _ in range(2):
                watch.look(1)
        return 1 not in membership.present

    def test_whoever_answers_is_present(self):
        assert not self.look(silence=0.0)
        assert not self.look(silence=9.0)

    def test_nobody_is_asked_who_was_heard_of(self):
        assert not self.look(quiet=9.0)

    def test_whoever_does_not_answer_is_absent_also_without_a_call(self):
        assert self.look()

    def test_whoever_cannot_be_reached_is_absent(self):
        assert self.look(reachable=False, quiet=0.0, silence=0.0)
