"""How long servers are waited for that do not answer."""

from __future__ import annotations

import time

import pytest

from dbsl_tf.cluster.connecting import wait_for_servers
from dbsl_tf.cluster.local import free_ports
from dbsl_tf.cluster.task import ClusterAddresses, Task
from dbsl_tf.common.errors import UserError

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
    waited = seconds_waited(standstill=lambda: max(0.0, time.monotonic() - began - 1.0))
    assert waited > 1.0 + TIMEOUT


def test_but_not_for_ever():
    assert seconds_waited(standstill=lambda: 0.0) > 5 * TIMEOUT
