"""Which servers answer: real ones, one that is stopped, and one that was never there."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from dbsl_tf.cluster.connecting import wait_for_servers
from dbsl_tf.cluster.liveness import Liveness, SilenceWatch
from dbsl_tf.cluster.local import LocalCluster, free_ports
from dbsl_tf.common.errors import ParameterServerLost

SILENCE = 1.0


def asked(liveness: Liveness, address: str, until) -> float:
    """The silence of a server once it is as wanted; else the test's time limit ends it."""
    while not until(silence := liveness.silence(address)):
        time.sleep(0.05)
    return silence


@pytest.mark.cluster
def test_a_stopped_server_is_silent_until_it_goes_on(tmp_path: Path):
    with LocalCluster(workers=1, parameter_servers=1, log_directory=tmp_path) as cluster:
        wait_for_servers(cluster.task, 120)
        (worker,), (server,) = cluster.addresses.workers, cluster.addresses.parameter_servers
        liveness = Liveness(SILENCE)
        watch = SilenceWatch(cluster.addresses.servers(), SILENCE)
        watch.check()
        assert asked(liveness, worker, lambda silence: silence == 0) == 0
        os.kill(cluster.processes["worker-0"].pid, signal.SIGSTOP)
        assert asked(liveness, worker, lambda silence: silence > 3 * SILENCE)
        assert asked(liveness, server, lambda silence: silence == 0) == 0
        with pytest.raises(ParameterServerLost, match=f"worker-0 at {worker} hangs: it has not"):
            while True:
                watch.check()
                time.sleep(0.05)
        os.kill(cluster.processes["worker-0"].pid, signal.SIGCONT)
        assert asked(liveness, worker, lambda silence: silence == 0) == 0


def test_what_was_in_vain_long_ago_does_not_count(monkeypatch):
    monkeypatch.setattr("dbsl_tf.cluster.liveness._FORGOTTEN", 0.3)
    nobody = f"127.0.0.1:{free_ports(1)[0]}"
    liveness = Liveness(SILENCE)
    assert asked(liveness, nobody, lambda silence: silence > 0.5)
    time.sleep(0.6)
    assert liveness.silence(nobody) < 0.3
