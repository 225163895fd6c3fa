"""When the coordinator itself has waited for too long."""

from __future__ import annotations

import time
import unittest
from types import SimpleNamespace

from dbsl_tf.common.errors import ParameterServerLost
from dbsl_tf.engine.stalls import StallWatch

TIMEOUT = 0.05


def cluster(**changes):
    state = {"unanswered_seconds": 0.0, "scheduling_seconds": 0.0}
    return SimpleNamespace(roster=SimpleNamespace(present=(0,)), **{**state, **changes})


class StallWatchTest(unittest.TestCase):
    def test_nothing_is_wrong_while_all_answer(self):
        StallWatch(cluster(), TIMEOUT).check()

    def test_what_takes_too_long_is_named(self):
        watch = StallWatch(cluster(), TIMEOUT)
        with watch.bounded("merge"):
            time.sleep(2 * TIMEOUT)
            with self.assertRaisesRegex(ParameterServerLost, "s to merge, in vain"):
                watch.check()
        watch.check()

    def test_a_cluster_that_does_not_answer_or_take_calls_is_given_up(self):
        for changes, told in (
            ({"unanswered_seconds": 1.0}, "has not answered for 1 s"),
            ({"scheduling_seconds": 1.0}, "has taken no call for 1 s"),
        ):
            with self.subTest(told):
                with self.assertRaisesRegex(ParameterServerLost, told):
                    StallWatch(cluster(**changes), TIMEOUT).check()
                StallWatch(cluster(**changes), None).check()


if __name__ == "__main__":
    unittest.main()
