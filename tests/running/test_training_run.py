"""What a training waits for, where its servers answer and yet nothing comes."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from dbsl_tf.common.errors import ClusterError, ParameterServerLost
from dbsl_tf.common.patience import Limits
from dbsl_tf.running.training_run import _processors


@pytest.fixture
def engine():
    """Stands for a cluster whose workers never answer a call, until the test has ended."""
    ended = threading.Event()
    yield SimpleNamespace(
        workers=1,
        limits=Limits(),
        closure=lambda function: function,
        call_each=lambda *_: ended.wait() and [],
    )
    ended.set()


def test_reading_the_processors_ends_by_a_standstill(engine):
    with pytest.raises(ClusterError, match="no progress for"):
        _processors(SimpleNamespace(engine=engine), lambda: None, standstill=0.1)


def test_and_by_a_server_that_does_not_answer(engine):
    def look() -> None:
        raise ParameterServerLost("ps-0 does not answer")

    with pytest.raises(ParameterServerLost, match="ps-0"):
        _processors(SimpleNamespace(engine=engine), look, standstill=1e6)
