"""Names, ports and who answers at them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbsl_tf.cluster.connecting import wait_for_servers
from dbsl_tf.cluster.local import LocalCluster, free_ports
from dbsl_tf.cluster.probing import (
    bypass_proxies,
    check_own_port,
    is_here,
    probe,
    wait_for_names,
)
from dbsl_tf.cluster.task import ClusterAddresses, Task
from dbsl_tf.common.errors import UserError
from tests.support.patience import at_most

# No name server may know it (RFC 2606).
NOWHERE = "nowhere.invalid"


@pytest.fixture
def listener() -> Iterator[str]:
    """Where something listens that is no TensorFlow server."""
    with socket.create_server(("127.0.0.1", 0)) as opened:
        yield f"127.0.0.1:{opened.getsockname()[1]}"


@pytest.mark.cluster
def test_servers_are_told_from_other_listeners(tmp_path: Path, listener, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://{listener}")
    with LocalCluster(workers=1, parameter_servers=1, log_directory=tmp_path) as cluster:
        monkeypatch.setenv("no_grpc_proxy", "")
        bypass_proxies(cluster.task)
        wait_for_servers(cluster.task, at_most(10))
        (worker,) = cluster.addresses.workers
        probe(worker)
        wrong = ClusterAddresses(listener, (listener,), cluster.addresses.parameter_servers)
        with pytest.raises(
            UserError, match=f"worker-0 at {listener} .*does not answer like a TensorFlow"
        ):
            wait_for_servers(Task(wrong, "chief", 0), 1.0)


def test_nothing_there_is_an_os_error():
    with pytest.raises(OSError, match="refused"):
        probe(f"127.0.0.1:{free_ports(1)[0]}")


def test_the_cluster_is_reached_without_a_proxy(monkeypatch):
    monkeypatch.setenv("no_grpc_proxy", "elsewhere")
    task = Task(ClusterAddresses("a:1", ("[::1]:2",), ("c:3", "a:4")), "chief", 0)
    bypass_proxies(task)
    bypass_proxies(task)
    assert os.environ["no_grpc_proxy"] == "::1,a,c,elsewhere"


def test_a_port_in_use_is_named(listener):
    task = Task(ClusterAddresses(listener, ("a:1",), ("b:2",)), "chief", 0)
    with pytest.raises(UserError, match=f"chief-0 .*{listener}.*in use"):
        check_own_port(task)


def test_two_processes_of_one_machine_need_two_ports():
    port = free_ports(1)[0]
    addresses = ClusterAddresses(
        f"127.0.0.1:{port}", (f"localhost:{port}",), (f"{NOWHERE}:{port}",)
    )
    with pytest.raises(UserError, match=f"chief-0 .*worker-0 at localhost:{port} the same port"):
        check_own_port(Task(addresses, "chief", 0))


def test_a_free_port_is_accepted():
    address = f"127.0.0.1:{free_ports(1)[0]}"
    check_own_port(Task(ClusterAddresses(address, ("a:1",), ("b:2",)), "chief", 0))


@pytest.mark.parametrize(
    ("addresses", "named"),
    [
        (ClusterAddresses("localhost:1", (f"{NOWHERE}:2",), ("localhost:3",)), "worker-0"),
        (ClusterAddresses("localhost:1", ("localhost:2",), (f"{NOWHERE}:3",)), "ps-0"),
        (ClusterAddresses(f"{NOWHERE}:1", ("localhost:2",), ("localhost:3",)), "chief-0"),
    ],
)
def test_a_name_that_does_not_resolve_is_named(addresses, named):
    with pytest.raises(UserError, match=f"'{NOWHERE}' of {named} .*connect_timeout=0.3") as caught:
        wait_for_names(Task(addresses, "worker", 0), 0.3)
    assert "\n" not in str(caught.value)


def test_names_of_other_workers_are_not_needed():
    addresses = ClusterAddresses("localhost:1", ("localhost:2", f"{NOWHERE}:4"), ("127.0.0.1:3",))
    wait_for_names(Task(addresses, "worker", 0), 0.3)


def test_only_addresses_of_this_machine_are_here(listener):
    assert is_here(listener)
    assert is_here("localhost:1")
    # Of a block that is for documentation only (RFC 5737).
    assert not is_here("192.0.2.1:2222")
    assert not is_here(f"{NOWHERE}:2222")
