"""Who hangs, from what workers said they took up; no cluster."""

from __future__ import annotations

import time
import unittest
import unittest.mock

from dbsl_tf.engine import worker_watch
from dbsl_tf.engine.roster import Roster
from dbsl_tf.engine.worker_watch import CallWatch

TIMEOUT = 0.05


class CallWatchTest(unittest.TestCase):
    def setUp(self):
        self.enterContext(unittest.mock.patch.object(worker_watch, "_FRESH", 0.0))
        self.roster = Roster(3)
        self.taken = [0, 0, 0]
        self.watch = CallWatch(lambda: list(self.taken), self.roster)
        for worker, ticket in enumerate((1, 2, 3)):
            self.watch.started(ticket)
            self.taken[worker] = ticket
        self.look()
        for ticket in (1, 2, 3):
            self.watch.finished(ticket)

    def look(self):
        for ticket in (1, 2, 3, 4, 5):
            self.watch.hang(ticket, 1e9)

    def test_one_that_takes_too_long_hangs(self):
        self.watch.started(4)
        self.taken[1] = 4
        self.assertIsNone(self.watch.hang(4, TIMEOUT))
        time.sleep(2 * TIMEOUT)
        self.assertEqual(self.watch.hang(4, TIMEOUT).worker, 1)

    def test_one_that_was_stopped_before_it_could_say_so_hangs(self):
        for ticket in (4, 5, 6):
            self.watch.started(ticket)
        self.taken[0], self.taken[2] = 4, 6
        self.look()
        self.watch.finished(4)  # worker 0 is idle now, but has been seen since
        time.sleep(2 * TIMEOUT)
        self.assertEqual(self.watch.hang(5, TIMEOUT).worker, 1)

    def test_a_call_that_waits_for_busy_workers_is_no_hang(self):
        self.roster.lost(1, "dead")
        for ticket in (4, 5, 6):
            self.watch.started(ticket)
        self.taken[0], self.taken[2] = 4, 6
        time.sleep(2 * TIMEOUT)
        self.assertIsNone(self.watch.hang(5, TIMEOUT))

    def test_taking_up_a_call_is_an_answer(self):
        self.roster.lost(2, "hung")
        self.watch.started(4)
        self.taken[2] = 4
        self.watch.hang(4, TIMEOUT)
        self.assertEqual(self.roster.present, (0, 1, 2))


if __name__ == "__main__":
    unittest.main()
