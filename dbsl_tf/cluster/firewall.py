"""Firewall rules that close the ports of a cluster to everything but its own machines."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dbsl_tf.cluster.task import CHIEF, ClusterAddresses, Task, host_and_port
from dbsl_tf.common.errors import UserError

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Machine:
    """A machine of a cluster.

    Attributes:
        names: its host names and addresses, as they are listed.
        addresses: its IP addresses, in order.
        tasks: the processes that run there.
    """

    names: tuple[str, ...]
    addresses: tuple[IpAddress, ...]
    tasks: tuple[Task, ...]

    @property
    def ports(self) -> list[int]:
        """The ports of its processes, in ascending order."""
        return sorted(host_and_port(task.address)[1] for task in self.tasks)


def resolve(host: str) -> set[IpAddress]:
    """Returns the IP addresses of a host, as this machine's name service knows them.

    Raises:
        UserError: it knows none.
    """
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    except OSError as error:
        raise UserError(
            f"the host {host!r} cannot be resolved ({error.strerror}), and firewall rules need its "
            "address: list addresses instead of names, or print the rules on a machine that knows "
            "the name"
        ) from error
    return {ipaddress.ip_address(str(address[0]).partition("%")[0]) for *_, address in found}


def machines_of(
    addresses: ClusterAddresses, resolving: Callable[[str], set[IpAddress]] = resolve
) -> list[Machine]:
    """Returns the machines of a cluster, in the order in which they are listed, chief first.

    Hosts that share an IP address are one machine.

    Args:
        addresses: of every process.
        resolving: returns the IP addresses of a host.

    Raises:
        UserError: a host cannot be resolved, or resolves to the loopback address or to 0.0.0.0
            although there are other machines.
    """
    machines: list[Machine] = []
    for task in (Task(addresses, CHIEF, 0), *addresses.servers()):
        host, _ = host_and_port(task.address.lower())
        known = next((machine for machine in machines if host in machine.names), None)
        found = set(known.addresses) if known else resolving(host)
        same = [machine for machine in machines if found & {*machine.addresses}]
        merged = Machine(
            tuple(dict.fromkeys([name for machine in same for name in machine.names] + [host])),
            tuple(sorted({*found, *(a for m in same for a in m.addresses)}, key=_order)),
            (*(task for machine in same for task in machine.tasks), task),
        )
        place = machines.index(same[0]) if same else len(machines)
        machines = [machine for machine in machines if machine not in same]
        machines.insert(place, merged)
    if len(machines) > 1:
        for machine in machines:
            if any(address.is_loopback or address.is_unspecified for address in machine.addresses):
                raise UserError(
                    f"the host {machine.names[0]!r} resolves to {machine.addresses[0]} here, which "
                    "other machines cannot reach: list its address in the network instead"
                )
    return machines


def ufw_rules(machine: Machine, others: Sequence[Machine]) -> str:
    """Returns commands for ufw on one machine, which put its rules before any other.

    Args:
        machine: where they are to be run.
        others: the other machines of the cluster.
    """
    ports = ",".join(_ranges(machine.ports, ":"))
    # The last one comes first.
    lines = [f"ufw prepend deny proto tcp from any to any port {ports} comment dbsl_tf"]
    for address in _addresses(others):
        lines.append(
            f"ufw prepend allow proto tcp from {address} to any port {ports} comment dbsl_tf"
        )
    return _heading(machine) + "\n".join(lines) + "\n"


def nft_rules(machine: Machine, others: Sequence[Machine]) -> str:
    """Returns a file for `nft -f` on one machine: a table of its own, which it replaces.

    Args:
        machine: where it is to be loaded.
        others: the other machines of the cluster.
    """
    ports = f"tcp dport {{ {', '.join(_ranges(machine.ports, '-'))} }}"
    admitted = ""
    for kind, version in (("ip", 4), ("ip6", 6)):
        listed = [str(address) for address in _addresses(others) if address.version == version]
        if listed:
            admitted += f"        {kind} saddr {{ {', '.join(listed)} }} {ports} accept\n"
    return (
        f"{_heading(machine)}"
        "table inet dbsl_tf\n"
        "delete table inet dbsl_tf\n"
        "table inet dbsl_tf {\n"
        "    chain input {\n"
        "        type filter hook input priority filter - 10; policy accept;\n"
        '        iif "lo" accept\n'
        f"{admitted}"
        f"        {ports} drop\n"
        "    }\n"
        "}\n"
    )


FIREWALLS: dict[str, Callable[[Machine, Sequence[Machine]], str]] = {
    "ufw": ufw_rules,
    "nft": nft_rules,
}


def _heading(machine: Machine) -> str:
    tasks = ", ".join(task.name for task in machine.tasks)
    return f"# on {' or '.join(machine.names)}, for {tasks}\n"


def _addresses(machines: Sequence[Machine]) -> list[IpAddress]:
    return sorted((a for machine in machines for a in machine.addresses), key=_order)


def _ranges(ports: Sequence[int], between: str) -> list[str]:
    """Returns ascending ports with those in a row as a range; ufw takes at most 15 of them."""
    rows: list[list[int]] = []
    for port in ports:
        if rows and rows[-1][-1] == port - 1:
            rows[-1].append(port)
        else:
            rows.append([port])
    return [str(row[0]) if len(row) == 1 else f"{row[0]}{between}{row[-1]}" for row in rows]


def _order(address: IpAddress) -> tuple[int, int]:
    return address.version, int(address)
