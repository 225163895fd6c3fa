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
    """Puts a server on each node: parameter servers on the first, then workers. The chief
    shares the first node.

    Args:
        nodes: hosts, all different.
        workers: number of workers (n).
        parameter_servers: number of parameter servers.

    Raises:
        UserError: there are more or fewer nodes than servers.
    """
    if len(nodes) != workers + parameter_servers:
        raise UserError(
            f"there are {len(nodes)} node(s), but cluster.parameter_servers={parameter_servers} "
            f"and cluster.workers={workers} need {workers + parameter_servers}, one each: ask for "
            "that many nodes, or change the configuration"
        )
    return Hosts((nodes[0],), tuple(nodes[parameter_servers:]), tuple(nodes[:parameter_servers]))


def hosts_of_file(path: Path) -> Hosts:
    """Reads a hosts file, with a line `ROLE HOST` or `ROLE HOST:PORT` for each process.

    The order of the lines of a role gives the indices; `#` begins a comment.

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
        if len(words) != 2 or words[0] not in _ROLES:
            raise UserError(
                f"hosts file {path} line {number}: {line.strip()!r} must be 'ROLE HOST' or "
                f"'ROLE HOST:PORT', where ROLE is one of {', '.join(_ROLES)}"
            )
        found[words[0]].append(words[1])
    for role, hosts in found.items():
        if not hosts:
            raise UserError(f"hosts file {path} names no {role}: add a line '{role} HOST'")
    return Hosts(tuple(found[CHIEF]), tuple(found[WORKER]), tuple(found[PARAMETER_SERVER]))


def tasks(addresses: ClusterAddresses) -> list[Task]:
    """Returns every process: the chief, the parameter servers, the workers."""
    return [Task(addresses, CHIEF, 0), *addresses.servers()]
