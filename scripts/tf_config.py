"""Prints the TF_CONFIG of one process of a cluster, or of all of them, or their firewall rules.

    python -m scripts.tf_config --chief a --ps a --worker b,c --role worker --index 1
    python -m scripts.tf_config --hosts-file hosts.txt --role chief
    python -m scripts.tf_config --hosts-file hosts.txt --firewall nft
    python -m scripts.tf_config --hosts-pattern 'train-{role}-{index}.train' --workers 4 --role ps

With --config FILE [key=value ...] the numbers of workers and parameter servers are those of the
configuration; listed hosts must agree with it. Without --role it prints one line for every process:
its name, its address and its TF_CONFIG. With --firewall it prints rules that admit only machines of
the cluster to its ports: for the machine of --role, or for each of them. TensorFlow is not needed.
"""

from __future__ import annotations

if not __package__:  # started by its path
    import by_path  # noqa: F401

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from dbsl_tf.cli.command_line import run
from dbsl_tf.cluster.firewall import FIREWALLS, machines_of
from dbsl_tf.cluster.layout import (
    Hosts,
    hosts_of_file,
    hosts_of_nodes,
    hosts_of_pattern,
    tasks,
)
from dbsl_tf.cluster.local import free_ports
from dbsl_tf.cluster.task import CHIEF, PARAMETER_SERVER, WORKER, Task, checked_task
from dbsl_tf.common.errors import UserError

_SOURCES = "--chief with --ps and --worker, --hosts-file, --hosts-pattern or --nodes"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see {self.prog} --help")


def _hosts(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number of at least 1")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m scripts.tf_config",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    where = parser.add_argument_group("where the processes run (one of these ways)")
    where.add_argument("--chief", metavar="HOST", help="host or host:port of the chief")
    where.add_argument(
        "--ps", metavar="HOST,...", type=_hosts, help="host or host:port of each parameter server"
    )
    where.add_argument(
        "--worker", metavar="HOST,...", type=_hosts, help="host or host:port of each worker"
    )
    where.add_argument(
        "--hosts-file",
        metavar="FILE",
        type=Path,
        help="file with a line 'ROLE HOST[:PORT]' for each process; 'worker HOST[:PORT] slots=N' "
        "stands for N workers on a host",
    )
    where.add_argument(
        "--hosts-pattern", metavar="TEXT", help="pattern of host names, with {role} and {index}"
    )
    where.add_argument(
        "--nodes",
        metavar="HOST,...",
        type=_hosts,
        help="hosts for as many servers: parameter servers, then workers, or only the workers, and "
        "the parameter servers share the first host; so does the chief. A host for several servers "
        "is named as often",
    )
    counts = parser.add_argument_group("how many (for --hosts-pattern and --nodes)")
    counts.add_argument("--workers", metavar="N", type=_count)
    counts.add_argument("--parameter-servers", metavar="M", type=_count, help="default 1")
    counts.add_argument("--config", metavar="FILE", help="take both from this configuration")
    counts.add_argument(
        "overrides", nargs="*", metavar="key=value", help="override a configuration key"
    )
    parser.add_argument(
        "--port",
        metavar="PORT",
        type=int,
        default=2222,
        help="port for hosts given without one; counted up if several processes share a host; 0 "
        "takes ports that are free on this machine (default: 2222)",
    )
    parser.add_argument(
        "--role", choices=(CHIEF, PARAMETER_SERVER, WORKER), help="print the TF_CONFIG of this role"
    )
    parser.add_argument("--index", metavar="I", type=int, help="index within the role (default: 0)")
    parser.add_argument(
        "--firewall",
        choices=FIREWALLS,
        help="print rules instead: commands for ufw, or a file for nft -f",
    )
    return parser


def _find_hosts(options: argparse.Namespace) -> Hosts:
    """Returns the hosts, given in exactly one of the ways."""
    lists = [options.chief, options.ps, options.worker]
    given = [any(lists), options.hosts_file, options.hosts_pattern, options.nodes]
    if sum(map(bool, given)) != 1:
        raise UserError(f"say where the processes run in exactly one way: {_SOURCES}")
    if any(lists):
        if not all(lists):
            raise UserError("--chief, --ps and --worker belong together; give a host for each")
        return Hosts((options.chief,), options.worker, options.ps)
    if options.hosts_file:
        return hosts_of_file(options.hosts_file)
    if options.workers is None:
        raise UserError("the number of workers is missing; give --workers N or --config FILE")
    counts = (options.workers, options.parameter_servers or 1)
    if options.hosts_pattern:
        return hosts_of_pattern(options.hosts_pattern, *counts)
    return hosts_of_nodes(options.nodes, *counts)


def main(arguments: Sequence[str]) -> int:
    """Parses the arguments, lays the cluster out and prints."""
    options = _parser().parse_intermixed_args(arguments)
    if options.overrides and not options.config:
        raise UserError(f"{options.overrides[0]!r} needs --config FILE")
    if options.index is not None and not options.role:
        raise UserError(f"--index {options.index} needs --role")
    config = None
    if options.config:
        if options.workers or options.parameter_servers:
            raise UserError(
                "--config gives the numbers: leave out --workers and --parameter-servers"
            )
        from dbsl_tf.config import load_config

        config = load_config(options.config, options.overrides)
        options.workers = config.cluster.workers
        options.parameter_servers = config.cluster.parameter_servers
    if not 0 <= options.port < 65536:
        raise UserError(f"--port {options.port} must be 1 to 65535, or 0 for free ones")
    hosts = _find_hosts(options)
    if options.port == 0:
        hosts = _with_free_ports(hosts)
    addresses = hosts.addresses(options.port)
    task = checked_task(addresses.as_dict(), options.role or CHIEF, options.index or 0)
    if config is not None:
        from dbsl_tf.cluster.connecting import check_size

        check_size(config.cluster, task)
    if options.firewall:
        _print_rules(options, task)
    elif options.role:
        print(task.to_json())
    else:
        for task in tasks(addresses):
            print(task.name, task.address, task.to_json())
    return 0


def _print_rules(options: argparse.Namespace, task: Task) -> None:
    machines = machines_of(task.addresses)
    for machine in machines:
        if not options.role or task in machine.tasks:
            others = [other for other in machines if other is not machine]
            print(FIREWALLS[options.firewall](machine, others), end="")


def _with_free_ports(hosts: Hosts) -> Hosts:
    groups = (hosts.chief, hosts.workers, hosts.parameter_servers)
    ports = iter(free_ports(sum(map(len, groups))))
    return Hosts(*(tuple(f"{host}:{next(ports)}" for host in group) for group in groups))


if __name__ == "__main__":
    run(main)
