from __future__ import annotations

import unittest

from dbsl_tf.schedules.calendar import Calendar


class CalendarTest(unittest.TestCase):
    def test_what_is_due_when(self):
        calendar = Calendar(workers=3, epochs=5, eval_every=2, checkpoint_every=4)
        commits = range(calendar.total + 1)
        self.assertEqual(calendar.total, 15)
        self.assertEqual([c for c in commits if calendar.evaluation_due(c)], [6, 12, 15])
        self.assertEqual([c for c in commits if calendar.checkpoint_due(c)], [12, 15])
        self.assertEqual([calendar.epochs_done(c) for c in (0, 2, 3, 15)], [0, 0, 1, 5])


if __name__ == "__main__":
    unittest.main()
