"""Makes cluster addresses from hosts, as a person or a cluster manager lists them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dbsl_tf.cluster.task import (
    CHIEF,
    PARAMETER_SERVER,
    WORKER,
    ClusterAddresses,
    Task,
    checked_task,
)
from dbsl_tf.common.errors import UserError
from dbsl_tf.common.files import WRITTEN_BY_HAND, read_text

_ROLES = (CHIEF, PARAMETER_SERVER, WORKER)
_WITH_PORT = re.compile(r".+:[^:\]]*")
_SLOTS = re.compile(r"slots=([1-9][0-9]{0,3})")
_LINE = "'ROLE HOST' or 'ROLE HOST:PORT', for several workers on a host with 'slots=N' behind it"


@dataclass(frozen=True)
class Hosts:
    """`host` or `host:port` of every process, in the order of their indices."""

    chief: tuple[str, ...]
    workers: tuple[str, ...]
    parameter_servers: tuple[str, ...]

    def addresses(self, port: int) -> ClusterAddresses:
        """Returns the addresses, checked as those of TF_CONFIG are.

        Args:
            port: for hosts without one. If this cluster already uses it on a host, the next free
                one there is taken.

        Raises:
            UserError: a role has no host, or an address is malformed or occurs twice.
        """
        listed = {
            CHIEF: list(self.chief),
            PARAMETER_SERVER: list(self.parameter_servers),
            WORKER: list(self.workers),
        }
        used = {
            address.lower()
            for hosts in listed.values()
            for address in hosts
            if _WITH_PORT.fullmatch(address)
        }
        for hosts in listed.values():
            for index, host in enumerate(hosts):
                if _WITH_PORT.fullmatch(host):
                    continue
                own = port
                while f"{host}:{own}".lower() in used:
                    own += 1
                hosts[index] = f"{host}:{own}"
                used.add(hosts[index].lower())
        return checked_task(listed, CHIEF, 0).addresses


def hosts_of_pattern(pattern: str, workers: int, parameter_servers: int) -> Hosts:
    """Returns hosts that a cluster manager names by role and index.

    Args:
        pattern: such as `train-{role}-{index}.train`; without braces all processes share a host.
        workers: number of workers (n).
        parameter_servers: number of parameter servers.

    Raises:
        UserError: the pattern contains other braces.
    """

    def hosts(role: str, count: int) -> tuple[str, ...]:
        named = [
            pattern.replace("{role}", role).replace("{index}", str(index)) for index in range(count)
        ]
        if named and re.search("[{}]", named[0]):
            raise UserError(
                f"--hosts-pattern={pattern!r} has other braces than {{role}} and {{index}}"
            )
        return tuple(named)

    return Hosts(
        hosts(CHIEF, 1), hosts(WORKER, workers), hosts(PARAMETER_SERVER, parameter_servers)
    )


def hosts_of_nodes(nodes: Sequence[str], workers: int, parameter_servers: int) -> Hosts:
    """Puts a process in each place; the chief shares the first host.

    If there is a place for every parameter server and every worker, they are filled in this order.
    If there are only as many as workers, the parameter servers share the first host too.

    Args:
        nodes: the host of each place; a host with several places occurs as often.
        workers: number of workers (n).
        parameter_servers: number of parameter servers.

    Raises:
        UserError: the number of places is another one.
    """
    if len(nodes) == workers:
        return Hosts((nodes[0],), tuple(nodes), (nodes[0],) * parameter_servers)
    if len(nodes) == workers + parameter_servers:
        servers, others = nodes[:parameter_servers], nodes[parameter_servers:]
        return Hosts((nodes[0],), tuple(others), tuple(servers))
    raise UserError(
        f"there are {len(nodes)} place(s) for processes (nodes times tasks per node), but "
        f"cluster.workers={workers} and cluster.parameter_servers={parameter_servers} need "
        f"{workers}, one for each worker, or {workers + parameter_servers}, one for each parameter "
        "server too: ask for that many, or change the configuration"
    )


def hosts_of_file(path: Path) -> Hosts:
    """Reads a hosts file, with a line `ROLE HOST` or `ROLE HOST:PORT` for each process.

    A line `worker HOST slots=N` stands for N workers on a host, each with its own port: those from
    PORT on, if there is one. The order of the lines of a role gives the indices; `#` begins a
    comment.

    Raises:
        UserError: the file cannot be read, or a line has another form.
    """
    try:
        lines = read_text(path, WRITTEN_BY_HAND, encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UserError(
            f"hosts file {path} cannot be read ({reason}): name a text file with a line "
            "'ROLE HOST[:PORT]' for each process"
        ) from error
    found: dict[str, list[str]] = {role: [] for role in _ROLES}
    for number, line in enumerate(lines, start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        slots = _SLOTS.fullmatch(words[2]) if len(words) == 3 else None
        if not (len(words) == 2 or slots) or words[0] not in _ROLES:
            raise UserError(
                f"hosts file {path} line {number}: {line.strip()!r} must be {_LINE}, where ROLE is "
                f"one of {', '.join(_ROLES)}"
            )
        role, host = words[:2]
        if slots and role != WORKER:
            raise UserError(
                f"hosts file {path} line {number}: {line.strip()!r} has slots, which are for "
                f"workers: leave them out, and give every {role} a line of its own"
            )
        found[role].extend(_in_slots(host, int(slots[1])) if slots else [host])
    for role, hosts in found.items():
        if not hosts:
            raise UserError(f"hosts file {path} names no {role}: add a line '{role} HOST'")
    return Hosts(tuple(found[CHIEF]), tuple(found[WORKER]), tuple(found[PARAMETER_SERVER]))


def _in_slots(host: str, slots: int) -> list[str]:
    """Returns `host` or `host:port` of each worker of a host."""
    given, _, port = host.rpartition(":")
    if not _WITH_PORT.fullmatch(host) or not (port.isascii() and port.isdigit()):
        return [host] * slots
    return [f"{given}:{int(port) + slot}" for slot in range(slots)]


def tasks(addresses: ClusterAddresses) -> list[Task]:
    """Returns every process: the chief, the parameter servers, the workers."""
    return [Task(addresses, CHIEF, 0), *addresses.servers()]
