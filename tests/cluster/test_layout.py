"""From hosts to addresses."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsl_tf.cluster.layout import Hosts, hosts_of_file, hosts_of_nodes, tasks
from dbsl_tf.common.errors import UserError

HOST = st.sampled_from(["a", "b", "c", "[::1]"])
HOSTS = st.lists(HOST, min_size=1, max_size=4).map(tuple)


@given(HOST, HOSTS, HOSTS, st.integers(1, 60000))
def test_every_process_gets_a_port_of_its_own_on_its_host(chief, workers, servers, port):
    addresses = Hosts((chief,), workers, servers).addresses(port)
    everyone = [task.address for task in tasks(addresses)]
    assert len(set(everyone)) == len(everyone)
    for host, address in zip((chief, *workers), (addresses.chief, *addresses.workers)):
        assert address.rpartition(":")[0] == host
    # Ports are counted up from the first one without a gap, host by host.
    for host in {address.rpartition(":")[0] for address in everyone}:
        ports = sorted(int(a.rpartition(":")[2]) for a in everyone if a.rpartition(":")[0] == host)
        assert ports == list(range(port, port + len(ports)))


def test_ports_that_are_given_stay():
    addresses = Hosts(("a",), ("a:2222", "b:7"), ("a",)).addresses(2222)
    assert addresses.workers == ("a:2222", "b:7")
    assert (addresses.chief, addresses.parameter_servers) == ("a:2223", ("a:2224",))


def test_nodes_hold_parameter_servers_then_workers():
    hosts = hosts_of_nodes(["n9", "n10", "n11"], workers=2, parameter_servers=1)
    assert hosts == Hosts(("n9",), ("n10", "n11"), ("n9",))


def test_a_hosts_file_is_read_in_its_order(tmp_path: Path):
    path = tmp_path / "hosts"
    path.write_text("# all\nworker w1\n\n  worker w0:99  # fast\nps p\nchief\tc\n")
    assert hosts_of_file(path) == Hosts(("c",), ("w1", "w0:99"), ("p",))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"# all\n", b""))
    assert hosts_of_file(path) == Hosts(("c",), ("w1", "w0:99"), ("p",))


def test_a_node_may_hold_several():
    nodes = ["n1", "n1", "n2", "n2"]
    assert hosts_of_nodes(nodes, 3, 1) == Hosts(("n1",), ("n1", "n2", "n2"), ("n1",))
    # Without places of their own, parameter servers are beside the chief.
    assert hosts_of_nodes(nodes, 4, 2) == Hosts(("n1",), tuple(nodes), ("n1", "n1"))


def test_a_line_of_a_hosts_file_may_stand_for_several_workers(tmp_path: Path):
    path = tmp_path / "hosts"
    path.write_text("chief a\nps a\nworker b slots=3 # GPUs\nworker c:70  slots=2\nworker [::1]\n")
    hosts = hosts_of_file(path)
    assert hosts.workers == ("b", "b", "b", "c:70", "c:71", "[::1]")
    assert hosts.addresses(5).workers == ("b:5", "b:6", "b:7", "c:70", "c:71", "[::1]:5")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"chief a\nworker b slots=0\n", "line 2: 'worker b slots=0'"),
        (b"chief a\nworker b slots\n", "line 2: 'worker b slots'"),
        (b"chief a\nworker b slots=2 x\n", "line 2: 'worker b slots=2 x'"),
        (b"chief a\nps b slots=2\n", "has slots, which are for workers"),
        (b"chief a\nmaster b\n", "line 2: 'master b'"),
        (b"chief a\nps b c\n", "line 2: 'ps b c'"),
        (b"chief\n", "line 1: 'chief'"),
        (b"chief a\nworker b\n", "names no ps"),
        (b"", "names no chief"),
        (b"\xff\xfe", "it is not text"),
    ],
)
def test_a_mistake_in_a_hosts_file_is_named(tmp_path: Path, content: bytes, named: str):
    path = tmp_path / "hosts"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        hosts_of_file(path)
    assert named in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
