"""Addresses of a cluster and the task of one process in it, as in TF_CONFIG."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from dbsl_tf.common.errors import UserError

CHIEF, WORKER, PARAMETER_SERVER = "chief", "worker", "ps"
_ROLES = (CHIEF, WORKER, PARAMETER_SERVER)
# A name, an IPv4 address or an IPv6 address in brackets.
_HOST = re.compile(
    r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?|\[[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?\]"
)
# Parts between dots that Python does not even look up: none, or too long.
_NOT_RESOLVED = re.compile(r"\.\.|[^.]{64}")
_EXAMPLE = (
    '{"cluster": {"chief": ["host0:2222"], "ps": ["host0:2223"], "worker": ["host1:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


@dataclass(frozen=True)
class ClusterAddresses:
    """`host:port` of every process: one chief, n workers, m parameter servers."""

    chief: str
    workers: tuple[str, ...]
    parameter_servers: tuple[str, ...]

    def as_dict(self) -> dict[str, list[str]]:
        """Returns the `cluster` object of TF_CONFIG."""
        return {
            CHIEF: [self.chief],
            WORKER: list(self.workers),
            PARAMETER_SERVER: list(self.parameter_servers),
        }

    def servers(self) -> list[Task]:
        """Returns every process that serves: parameter servers first, then workers."""
        return [
            Task(self, role, index)
            for role in (PARAMETER_SERVER, WORKER)
            for index in range(len(self.as_dict()[role]))
        ]


@dataclass(frozen=True)
class Task:
    """One process: its role (`chief`, `worker` or `ps`) and its index within that role."""

    addresses: ClusterAddresses
    role: str
    index: int

    @property
    def name(self) -> str:
        return f"{self.role}-{self.index}"

    @property
    def address(self) -> str:
        return self.addresses.as_dict()[self.role][self.index]

    def to_json(self) -> str:
        """Returns this task as the text of TF_CONFIG."""
        return json.dumps(
            {
                "cluster": self.addresses.as_dict(),
                "task": {"type": self.role, "index": self.index},
            }
        )


def task_from_environment(environment: Mapping[str, str]) -> Task | None:
    """Returns the task that TF_CONFIG gives this process; None if it is unset or empty.

    Raises:
        UserError: TF_CONFIG is not JSON, lacks a role, or has an unknown role, an index out of
            range, or a malformed or repeated address.
    """
    text = environment.get("TF_CONFIG", "").strip()
    if not text or text == "{}":
        return None
    try:
        content = json.loads(text)
        cluster, task = content["cluster"], content["task"]
        role, index = task["type"], _index(task.get("index", 0))
    except (
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise UserError(
            f"TF_CONFIG={text[:120]!r} cannot be read ({error!r}): it must look like {_EXAMPLE}"
        ) from error
    return checked_task(cluster, role, index)


def checked_task(cluster: object, role: object, index: int) -> Task:
    """Checks the content of TF_CONFIG; returns the task.

    Args:
        cluster: its `cluster` object.
        role: its `task.type`.
        index: its `task.index`.

    Raises:
        UserError: see `task_from_environment`.
    """
    addresses = _addresses(cluster)
    if role not in _ROLES:
        raise UserError(
            f"TF_CONFIG task.type={role!r} is not a role: use one of {', '.join(_ROLES)}"
        )
    count = len(addresses.as_dict()[role])
    if not 0 <= index < count:
        raise UserError(
            f"TF_CONFIG task.index={index} is out of range: cluster.{role} has {count} "
            f"address(es), so use 0 to {count - 1}"
        )
    return Task(addresses, role, index)


def host_and_port(address: str) -> tuple[str, int]:
    """Returns the two parts of `host:port`, an IPv6 address without its brackets."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _index(given: object) -> int:
    # `int` alone would also take 1.5 and true.
    if type(given) is int or isinstance(given, str):
        return int(given)
    raise TypeError(f"task.index={given!r} is not a whole number")


def _addresses(cluster: object) -> ClusterAddresses:
    if not isinstance(cluster, dict):
        raise UserError(f"TF_CONFIG cluster={cluster!r} must be an object: {_EXAMPLE}")
    unknown = sorted(set(cluster) - set(_ROLES))
    if unknown:
        raise UserError(
            f"TF_CONFIG cluster.{unknown[0]} is not a role: use {', '.join(_ROLES)} (evaluation "
            "is done by the workers)"
        )
    for role in _ROLES:
        listed = cluster.get(role)
        if not isinstance(listed, list) or not listed:
            raise UserError(
                f"TF_CONFIG cluster.{role}={listed!r} must be a list of at least one host:port"
            )
        for address in listed:
            _check_address(role, address)
    if len(cluster[CHIEF]) != 1:
        raise UserError(
            f"TF_CONFIG cluster.chief has {len(cluster[CHIEF])} addresses: exactly one coordinates"
        )
    names: dict[tuple[str, int], str] = {}
    for role in _ROLES:
        for index, address in enumerate(cluster[role]):
            # Host names are case-insensitive.
            other = names.setdefault(host_and_port(address.lower()), f"{role}-{index}")
            if other != f"{role}-{index}":
                raise UserError(
                    f"TF_CONFIG names {address} more than once, for {other} and {role}-{index}: "
                    "every process needs its own host:port"
                )
    return ClusterAddresses(
        cluster[CHIEF][0], tuple(cluster[WORKER]), tuple(cluster[PARAMETER_SERVER])
    )


def _check_address(role: str, address: object) -> None:
    host, _, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
    named = _HOST.fullmatch(host) and not _NOT_RESOLVED.search(host)
    if not (named and re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 65536):
        raise UserError(
            f"TF_CONFIG cluster.{role} has {address!r}: write host:port with a name or an address "
            "(IPv6 in brackets) and a port of 1 to 65535"
        )
