from __future__ import annotations

from dbsl_tf.schedules.calendar import Calendar


class TestCalendar:
    def test_what_is_due_when(self):
        calendar = Calendar(workers=3, epochs=5, eval_every=2, checkpoint_every=4)
        commits = range(calendar.total + 1)
        assert calendar.total == 15
        assert [c for c in commits if calendar.evaluation_due(c)] == [6, 12, 15]
        assert [c for c in commits if calendar.checkpoint_due(c)] == [12, 15]
        assert [calendar.epochs_done(c) for c in (0, 2, 3, 15)] == [0, 0, 1, 5]
