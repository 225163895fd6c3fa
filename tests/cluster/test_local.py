"""Server processes on this machine: they start, they answer, they are gone afterwards."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from dbsl_tf.cluster.connecting import wait_for_servers
from dbsl_tf.cluster.local import LocalCluster
from dbsl_tf.cluster.task import ClusterAddresses, Task
from dbsl_tf.common.cores import available_cores
from dbsl_tf.common.errors import ClusterError, UserError
from tests.support.patience import at_most


@pytest.mark.cluster
def test_servers_answer_and_leave_with_the_context(tmp_path: Path):
    with LocalCluster(workers=2, parameter_servers=1, log_directory=tmp_path / "logs") as cluster:
        wait_for_servers(cluster.task, at_most(10))
        processes = cluster.processes
        assert set(processes) == {"ps-0", "worker-0", "worker-1"}
        assert cluster.dead() == {}
        if len(available_cores()) >= 2:
            own = [os.sched_getaffinity(processes[f"worker-{i}"].pid) for i in (0, 1)]
            assert not own[0] & own[1]
            assert len(own[0]) == len(own[1]) == cluster.threads_per_worker
        # Also one that is stopped must go.
        os.kill(processes["worker-1"].pid, signal.SIGSTOP)
    assert all(process.returncode is not None for process in processes.values())
    for server in cluster.addresses.servers():
        with socket.socket() as probe:
            host, port = server.address.split(":")
            assert probe.connect_ex((host, int(port))) != 0
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {
        "ps-0.log",
        "worker-0.log",
        "worker-1.log",
    }


@pytest.mark.cluster
def test_a_dead_server_is_reported_with_its_log(tmp_path: Path):
    with LocalCluster(workers=1, parameter_servers=1, log_directory=tmp_path) as cluster:
        cluster.processes["worker-0"].kill()
        cluster.processes["worker-0"].wait()
        reports = []
        with pytest.raises(ClusterError, match="no worker is left"):
            cluster.check(reports.append)
        (report,) = reports
    assert "worker-0 ended with SIGKILL" in report
    assert str(tmp_path / "worker-0.log") in report


def test_an_unreachable_server_is_named():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{holder.getsockname()[1]}"
        task = Task(ClusterAddresses("127.0.0.1:1", (address,), (address,)), "chief", 0)
        with pytest.raises(UserError, match=f"ps-0 at {address} .*cluster.connect_timeout=0.3"):
            wait_for_servers(task, 0.3)
