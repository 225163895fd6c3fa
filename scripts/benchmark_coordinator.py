"""Measures what a commit costs the coordinator, with mini-epochs that do no work.

    python -m scripts.benchmark_coordinator [--workers 2,8,32] [--parameters 100000,10000000]
        [--epochs 100] [--in-process] --output FILE

It starts a real cluster on this machine for each number of workers and size of model in turn. The
workers answer at once, without pulling or pushing; handing out, merging on the parameter server,
records and the order of commits are as in training. From the end of the first tenth of the commits
to the last commit it measures commits per second (the median of ten equal parts) and the processor
time of each commit, in the coordinator's process and in all servers together.

The servers are processes that use the same cores: commits per second show what this machine can do,
processor time shows what the coordinator needs wherever it runs. The last column is what the cores
would allow if they did nothing else. With --in-process the coordinator's process is the only one,
and its processor time is that of the whole cluster.
"""

from __future__ import annotations

if not __package__:  # started by its path
    import by_path  # noqa: F401

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from dbsl_tf.common.cores import available_cores
from dbsl_tf.common.files import check_writable, write_whole_text
from dbsl_tf.results.records import CommitRecord, DriftRecord, EvaluationRecord, FaultRecord
from scripts.benchmarking.no_work import make_trainer

if TYPE_CHECKING:
    from dbsl_tf.cluster.task import Task

ROOT = Path(__file__).parents[1]

SECONDS_TO_START = 600
# How many parts the measured commits are divided into, for the median.
PARTS = 10


def main(arguments: Sequence[str]) -> int:
    """Measures every combination in a separate process and reports the results."""
    options = parse(arguments)
    if options.cell:
        workers, parameters = options.cell
        figures = measure(workers, parameters, options.epochs, options.in_process)
        print(json.dumps(figures), flush=True)
        # Servers in this process cannot be stopped.
        os._exit(0)
    check_writable(options.output)
    console, results = Console(stderr=True), []
    for parameters in options.parameters:
        for workers in options.workers:
            cell = f"{workers},{parameters}"
            console.print(f"{workers} workers, {parameters:,} parameters", highlight=False)
            results.append(run_cell(cell, options))
            write_whole_text(options.output, json.dumps({"results": results}, indent=2) + "\n")
    show(results)
    return 0


def run_cell(cell: str, options: argparse.Namespace) -> dict[str, Any]:
    """Runs `measure` in a separate process and network."""
    own_network = ["-m", "dbsl_tf.cluster.namespaces", "--try"]
    program = [sys.executable, "-m", "scripts.benchmark_coordinator"]
    measuring = [*program, "--cell", cell, "--epochs", str(options.epochs)]
    if options.in_process:
        measuring.append("--in-process")
    done = subprocess.run(
        [sys.executable, *own_network, *measuring],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return json.loads(done.stdout.splitlines()[-1])


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Returns the options; exits with status 2 if they make no sense."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--workers", type=numbers, default=[2, 8, 32], help="numbers of workers, such as 2,8,32"
    )
    parser.add_argument(
        "--parameters",
        type=numbers,
        default=[100_000, 10_000_000],
        help="numbers of parameters of the model, such as 100000,10000000",
    )
    parser.add_argument(
        "--epochs", type=int, default=100, help="mini-epochs of each worker (default: 100)"
    )
    parser.add_argument(
        "--in-process", action="store_true", help="run the servers in the coordinator's process"
    )
    parser.add_argument("--output", type=Path, default=Path("coordinator.json"), help="JSON file")
    parser.add_argument("--cell", type=numbers, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.epochs < 10:
        parser.error(f"--epochs is {options.epochs}; give at least 10")
    return options


def numbers(text: str) -> list[int]:
    """Parses whole numbers above 0, separated by commas.

    Raises:
        ArgumentTypeError: the text is something else.
    """
    parts = text.split(",")
    if not all(part.isdecimal() and int(part) for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r}; give whole numbers above 0, such as 2,8,32")
    return [int(part) for part in parts]


def show(results: Sequence[dict[str, Any]]) -> None:
    """Prints the table."""
    cores = len(available_cores())
    table = Table(
        *("workers", "parameters", "commits per second", "coordinator, CPU ms per commit"),
        *("servers, CPU ms per commit", f"{cores} core(s) allow"),
    )
    for row in results:
        mine, servers = row["processor_milliseconds"], row["server_milliseconds"]
        table.add_row(
            str(row["workers"]),
            f"{row['parameters']:,}",
            f"{row['commits_per_second']:.1f}",
            f"{mine:.2f}",
            "among those" if servers is None else f"{servers:.2f}",
            f"{1000 * cores / (mine + (servers or 0.0)):.1f}",
        )
    Console().print(table)


def measure(workers: int, parameters: int, epochs: int, in_process: bool) -> dict[str, Any]:
    """Trains mini-epochs of no work on a cluster; as it connects, it runs once in a process."""
    from dbsl_tf.cluster.connecting import wait_for_servers
    from dbsl_tf.cluster.local import LocalCluster
    from dbsl_tf.common.quiet import import_tensorflow_quietly

    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        processes: list[int] = []
        if in_process:
            import_tensorflow_quietly()
            task, _servers = serve_in_process(workers)
        else:
            cluster = running.enter_context(LocalCluster(workers, 1, Path(folder) / "logs"))
            task, processes = cluster.task, [p.pid for p in cluster.processes.values()]
            import_tensorflow_quietly()
        wait_for_servers(task, SECONDS_TO_START)
        from dbsl_tf.engine.engine import Engine

        clock = CommitClock(workers * epochs, processes)
        trainer = make_trainer(Engine(task), clock, parameters, epochs, Path(folder))
        trainer.warm_up()
        trainer.run()
    return {
        "workers": workers,
        "parameters": parameters,
        "in_process": in_process,
        **clock.figures(),
    }


def serve_in_process(workers: int) -> tuple[Task, list[Any]]:
    """Starts one parameter server and the workers in this process.

    Returns:
        The task of the chief, and the servers, to be kept while they serve.
    """
    import tensorflow as tf

    from dbsl_tf.cluster.local import free_ports
    from dbsl_tf.cluster.task import CHIEF, ClusterAddresses, Task

    chief, server, *others = (f"127.0.0.1:{port}" for port in free_ports(2 + workers))
    addresses = ClusterAddresses(chief, tuple(others), (server,))
    options = tf.compat.v1.ConfigProto()
    # All servers share the process's threads, and each may occupy one while waiting for another.
    options.inter_op_parallelism_threads = 2 * (workers + 2)
    servers = [
        tf.distribute.Server(
            addresses.as_dict(),
            job_name=task.role,
            task_index=task.index,
            protocol="grpc",
            config=options,
        )
        for task in addresses.servers()
    ]
    return Task(addresses, CHIEF, 0), servers


class CommitClock:
    """Records the time of every commit, and the processor time at both ends of the measurement.

    Args:
        commits: commits of the run; the measurement begins after their first tenth.
        processes: process IDs of the servers.
    """

    def __init__(self, commits: int, processes: Sequence[int]) -> None:
        self._first, self._last = commits // 10 + 1, commits
        self._processes = processes
        self._times: list[float] = []
        self._used: list[tuple[float, float]] = []
        self._faults: list[str] = []

    def committed(self, record: CommitRecord) -> None:
        """Records the times."""
        self._times.append(time.monotonic())
        if record.commit in (self._first, self._last):
            servers = sum(processor_seconds(process) for process in self._processes)
            self._used.append((time.process_time(), servers))

    def evaluated(self, record: EvaluationRecord) -> None:
        """Ignores the evaluation at the end."""

    def drifted(self, record: DriftRecord) -> None:
        """Ignores the drift: mini-epochs of no work always take as long as planned."""

    def faulted(self, record: FaultRecord) -> None:
        """Records a fault, such as a lost worker."""
        self._faults.append(record.message)

    def figures(self) -> dict[str, float | None]:
        """Returns the figures from the end of the first tenth of the commits to the last.

        Raises:
            RuntimeError: a worker was lost meanwhile.
        """
        if self._faults:
            raise RuntimeError("; ".join(self._faults))
        times = np.array(self._times[self._first - 1 :])
        commits = len(times) - 1
        ends = np.linspace(0, commits, PARTS + 1).astype(int)
        before, after = self._used
        mine, servers = 1000 * np.subtract(after, before) / commits
        return {
            "commits": commits,
            "commits_per_second": float(np.median(np.diff(ends) / np.diff(times[ends]))),
            "processor_milliseconds": mine,
            "server_milliseconds": servers if self._processes else None,
        }


def processor_seconds(process: int) -> float:
    """Returns the processor seconds that a process has used, from Linux's /proc."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
