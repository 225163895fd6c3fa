"""When the coordinator itself has waited for too long."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from dbsl_tf.common.errors import ParameterServerLost
from dbsl_tf.engine import stalls
from dbsl_tf.engine.stalls import StallWatch

TIMEOUT = 2.0


def cluster(**changes):
    state = {"unanswered_seconds": 0.0, "scheduling_seconds": 0.0}
    return SimpleNamespace(roster=SimpleNamespace(present=(0,)), **{**state, **changes})


class TestStallWatch:
    @pytest.fixture(autouse=True)
    def _set_up(self, monkeypatch):
        self.now = 100.0
        clock = SimpleNamespace(monotonic=lambda: self.now)
        monkeypatch.setattr(stalls, "time", clock)

    def test_nothing_is_wrong_while_all_answer(self):
        StallWatch(cluster(), TIMEOUT).check()

    def test_what_takes_too_long_is_named(self):
        watch = StallWatch(cluster(), TIMEOUT)
        with watch.bounded("merge"):
            self.now += 2 * TIMEOUT
            with pytest.raises(ParameterServerLost, match="s to merge, in vain"):
                watch.check()
        watch.check()

    def test_a_cluster_that_does_not_answer_or_take_calls_is_given_up(self, subtests):
        for changes, told in (
            ({"unanswered_seconds": 3.0}, "has not answered for 3 s"),
            ({"scheduling_seconds": 3.0}, "has taken no call for 3 s"),
        ):
            with subtests.test(told):
                with pytest.raises(ParameterServerLost, match=told):
                    StallWatch(cluster(**changes), TIMEOUT).check()
                StallWatch(cluster(**changes), None).check()
