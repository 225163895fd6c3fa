"""How long servers are waited for that do not answer."""

from __future__ import annotations

import time

import pytest

from dbsl_tf.cluster.connecting import wait_for_servers
from dbsl_tf.cluster.local import LocalCluster, free_ports
from dbsl_tf.cluster.task import ClusterAddresses, Task
from dbsl_tf.common.errors import UserError
from tests.support.patience import at_most

TIMEOUT = 0.2


def seconds_waited(**options) -> float:
    """For servers that never come."""
    hosts = [f"127.0.0.1:{port}" for port in free_ports(3)]
    task = Task(ClusterAddresses(hosts[0], (hosts[1],), (hosts[2],)), "chief", 0)
    began = time.monotonic()
    with pytest.raises(UserError, match=f"cluster.connect_timeout={TIMEOUT}"):
        wait_for_servers(task, TIMEOUT, **options)
    return time.monotonic() - began


def test_servers_that_are_seen_to_start_get_longer():
    began = time.monotonic()
    # They are at work for a second.
    seconds_waited(standstill=lambda: max(0.0, time.monotonic() - began - 1.0))
    assert time.monotonic() - began > 1.0 + TIMEOUT


def test_but_not_for_ever():
    assert seconds_waited(standstill=lambda: 0.0) > 5 * TIMEOUT


def test_of_several_that_cannot_be_reached_the_first_is_named(monkeypatch):
    """The time is over when another one is tried."""
    ports = free_ports(4)
    hosts = [f"127.0.0.1:{port}" for port in ports]
    slow = hosts[3]

    def probe(address, answer):
        time.sleep(3 * TIMEOUT if address == slow else 0)
        raise ConnectionRefusedError(address)

    monkeypatch.setattr("dbsl_tf.cluster.connecting.probe", probe)
    task = Task(ClusterAddresses(hosts[0], (hosts[2], slow), (hosts[1],)), "chief", 0)
    with pytest.raises(
        UserError, match=rf"ps-0 at {hosts[1]} cannot be .*\({hosts[1]}\): start it"
    ):
        wait_for_servers(task, TIMEOUT)


@pytest.mark.cluster
def test_training_begins_without_workers_that_are_not_needed(tmp_path):
    with LocalCluster(2, 1, tmp_path) as cluster:
        addresses = cluster.task.addresses
        nowhere = f"127.0.0.1:{free_ports(1)[0]}"
        wanted = ClusterAddresses(
            addresses.chief, (nowhere, *addresses.workers), addresses.parameter_servers
        )
        task = Task(wanted, "chief", 0)
        assert wait_for_servers(task, at_most(10), needed=2) == {0}
        with pytest.raises(UserError, match="worker-0 .* cannot be reached"):
            wait_for_servers(task, at_most(0.2))


def test_the_parameter_servers_are_always_needed():
    with pytest.raises(UserError, match="ps-0 .* and cluster.min_workers=1 are needed"):
        hosts = [f"127.0.0.1:{port}" for port in free_ports(4)]
        addresses = ClusterAddresses(hosts[0], (hosts[1], hosts[2]), (hosts[3],))
        wait_for_servers(Task(addresses, "chief", 0), TIMEOUT, needed=1)
