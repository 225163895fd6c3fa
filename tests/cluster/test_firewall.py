"""Firewall rules of the machines of a cluster."""

from __future__ import annotations

import ipaddress
import shutil
import subprocess
from pathlib import Path

import pytest

from dbsl_tf.cluster.firewall import IpAddress, machines_of, nft_rules, ufw_rules
from dbsl_tf.cluster.task import ClusterAddresses
from dbsl_tf.common.errors import UserError

ADDRESSES = {
    "a": {"10.0.0.1", "fd00::1"},
    "a.lan": {"10.0.0.1"},
    "b": {"10.0.0.2"},
    "10.0.0.10": {"10.0.0.10"},
    "own": {"127.0.1.1"},
    "0.0.0.0": {"0.0.0.0"},
}
CLUSTER = ClusterAddresses(
    "A:2222", ("b:2222", "b:2223", "b:2230", "10.0.0.10:7"), ("a.lan:2223", "a:9")
)


def resolving(host: str) -> set[IpAddress]:
    return {ipaddress.ip_address(address) for address in ADDRESSES[host]}


MACHINES = machines_of(CLUSTER, resolving)


def test_hosts_with_one_address_are_one_machine():
    found = [(machine.names, [task.name for task in machine.tasks]) for machine in MACHINES]
    assert found == [
        (("a", "a.lan"), ["chief-0", "ps-0", "ps-1"]),
        (("b",), ["worker-0", "worker-1", "worker-2"]),
        (("10.0.0.10",), ["worker-3"]),
    ]


def test_ufw_admits_the_other_machines_and_nobody_else():
    """The rule that is put first last is looked at first."""
    assert ufw_rules(MACHINES[0], MACHINES[1:]).splitlines() == [
        "# on a or a.lan, for chief-0, ps-0, ps-1",
        "ufw prepend deny proto tcp from any to any port 9,2222:2223 comment dbsl_tf",
        "ufw prepend allow proto tcp from 10.0.0.2 to any port 9,2222:2223 comment dbsl_tf",
        "ufw prepend allow proto tcp from 10.0.0.10 to any port 9,2222:2223 comment dbsl_tf",
    ]


def test_nft_admits_the_other_machines_itself_and_nobody_else():
    lines = nft_rules(MACHINES[1], [MACHINES[0], MACHINES[2]]).splitlines()
    assert [line.strip() for line in lines if "accept" in line or "drop" in line] == [
        "type filter hook input priority filter - 10; policy accept;",
        'iif "lo" accept',
        "ip saddr { 10.0.0.1, 10.0.0.10 } tcp dport { 2222-2223, 2230 } accept",
        "ip6 saddr { fd00::1 } tcp dport { 2222-2223, 2230 } accept",
        "tcp dport { 2222-2223, 2230 } drop",
    ]


def test_a_cluster_on_one_machine_admits_nobody():
    (machine,) = machines_of(ClusterAddresses("own:1", ("own:2",), ("own:3",)), resolving)
    assert "allow" not in ufw_rules(machine, [])
    assert "saddr" not in nft_rules(machine, [])


@pytest.mark.parametrize(("host", "address"), [("own", "127.0.1.1"), ("0.0.0.0", "0.0.0.0")])
def test_a_name_that_leads_back_to_this_machine_is_refused(host: str, address: str):
    cluster = ClusterAddresses(f"{host}:1", ("b:2",), (f"{host}:3",))
    with pytest.raises(UserError, match=f"'{host}' resolves to {address} here"):
        machines_of(cluster, resolving)


def test_a_name_that_nobody_knows_is_refused():
    cluster = ClusterAddresses("no-such-host.invalid:1", ("b:2",), ("b:3",))
    with pytest.raises(UserError, match="'no-such-host.invalid' cannot be resolved"):
        machines_of(cluster)


@pytest.mark.skipif(
    not (shutil.which("nft") and shutil.which("unshare")), reason="there is no nft on this machine"
)
def test_nft_itself_accepts_the_rules_twice(tmp_path: Path):
    rules = tmp_path / "rules"
    rules.write_text(nft_rules(MACHINES[0], MACHINES[1:]))
    load = f"nft -f {rules} && nft -f {rules} && nft list table inet dbsl_tf"
    command = ["unshare", "--map-root-user", "--net", "sh", "-c", load]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("tcp dport { 9, 2222-2223 }") == 2
