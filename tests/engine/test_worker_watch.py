"""Who hangs, from what workers said they took up; no cluster."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from dbsl_tf.engine import worker_watch
from dbsl_tf.engine.roster import Roster
from dbsl_tf.engine.worker_watch import CallWatch

TIMEOUT = 2.0


class TestCallWatch:
    @pytest.fixture(autouse=True)
    def _set_up(self, monkeypatch):
        monkeypatch.setattr(worker_watch, "_FRESH", 0.0)
        self.now = 100.0
        clock = SimpleNamespace(monotonic=self.tick)
        monkeypatch.setattr(worker_watch, "time", clock)
        self.roster = Roster(3)
        self.taken = [0, 0, 0]
        self.watch = CallWatch(lambda: list(self.taken), self.roster)
        for worker, ticket in enumerate((1, 2, 3)):
            self.watch.started(ticket)
            self.taken[worker] = ticket
        self.look()
        for ticket in (1, 2, 3):
            self.watch.finished(ticket)

    def tick(self):
        self.now += 0.001
        return self.now

    def look(self):
        for ticket in (1, 2, 3, 4, 5):
            self.watch.hang(ticket, 1e9)

    def test_one_that_takes_too_long_hangs(self):
        self.watch.started(4)
        self.taken[1] = 4
        assert self.watch.hang(4, TIMEOUT) is None
        self.now += 2 * TIMEOUT
        assert self.watch.hang(4, TIMEOUT).worker == 1

    def test_one_that_was_stopped_before_it_could_say_so_hangs(self):
        for ticket in (4, 5, 6):
            self.watch.started(ticket)
        self.taken[0], self.taken[2] = 4, 6
        self.look()
        self.watch.finished(4)  # worker 0 is idle now, but has been seen since
        self.now += 2 * TIMEOUT
        assert self.watch.hang(5, TIMEOUT).worker == 1

    def test_a_call_that_waits_for_busy_workers_is_no_hang(self):
        self.roster.lost(1, "dead")
        for ticket in (4, 5, 6):
            self.watch.started(ticket)
        self.taken[0], self.taken[2] = 4, 6
        self.now += 2 * TIMEOUT
        assert self.watch.hang(5, TIMEOUT) is None

    def test_taking_up_a_call_is_an_answer(self):
        self.roster.lost(2, "hung")
        self.watch.started(4)
        self.taken[2] = 4
        self.watch.hang(4, TIMEOUT)
        assert self.roster.present == (0, 1, 2)
