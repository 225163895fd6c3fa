"""When the coordinator itself has waited for too long."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from dbsl_tf.common import awake
from dbsl_tf.common.errors import ParameterServerLost
from dbsl_tf.common.patience import Patience
from dbsl_tf.engine.stalls import StallWatch

TIMEOUT = 2.0
PATIENCE = Patience(TIMEOUT, 1e9)


def cluster(silent=None, **changes):
    """A cluster of which `silent`, `ps-0` or `worker-1`, does not answer."""
    state = {"unanswered_seconds": 0.0, "scheduling_seconds": 0.0}

    def silent_server(workers_too):
        return silent if workers_too or silent == "ps-0" else None

    return SimpleNamespace(
        membership=SimpleNamespace(present=(0,)),
        silent_server=silent_server,
        **{**state, **changes},
    )


class TestStallWatch:
    @pytest.fixture(autouse=True)
    def _set_up(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(awake, "seconds", lambda: self.now)

    def test_nothing_is_wrong_while_all_goes_on(self):
        StallWatch(cluster(silent="ps-0"), PATIENCE).check()

    def test_what_takes_too_long_is_named_with_the_server_that_hangs(self):
        watch = StallWatch(cluster(silent="ps-0"), PATIENCE)
        with watch.bounded("merge"):
            self.now += 2 * TIMEOUT
            with pytest.raises(ParameterServerLost, match="ps-0 hangs: .* s to merge"):
                watch.check()
        watch.check()

    def test_a_worker_that_hangs_matters_only_to_what_needs_it(self):
        watch = StallWatch(cluster(silent="worker-1"), PATIENCE)
        with watch.bounded("merge"):
            self.now += 2 * TIMEOUT
            watch.check()
        with watch.bounded("activate the next plan", needs_workers=True):
            self.now += 2 * TIMEOUT
            with pytest.raises(ParameterServerLost, match="worker-1 hangs"):
                watch.check()

    def test_a_slow_cluster_that_answers_is_waited_for_but_not_for_ever(self):
        watch = StallWatch(cluster(), PATIENCE)
        hurried = StallWatch(cluster(), Patience(TIMEOUT, TIMEOUT))
        with watch.bounded("merge"), hurried.bounded("merge"):
            self.now += 2 * TIMEOUT
            watch.check()
            with pytest.raises(ParameterServerLost, match="a server hangs"):
                hurried.check()

    def test_a_cluster_that_does_not_answer_or_take_calls_is_given_up(self, subtests):
        for changes, message in (
            ({"unanswered_seconds": 3.0}, "waited 3 s for an answer of a parameter server"),
            ({"scheduling_seconds": 3.0}, "waited 3 s for the cluster to take a call"),
        ):
            with subtests.test(message):
                with pytest.raises(ParameterServerLost, match=message):
                    StallWatch(cluster(silent="ps-0", **changes), PATIENCE).check()
                StallWatch(cluster(**changes), PATIENCE).check()
                StallWatch(cluster(silent="ps-0", **changes), None).check()
