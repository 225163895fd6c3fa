"""Measures what a commit costs the coordinator, with mini-epochs that do no work.

    python -m scripts.benchmark_coordinator [--workers 2,8,32] [--parameters 100000,10000000]
        [--epochs 100] [--in-process] --output FILE

A real cluster on this machine, one after the other for each number of workers and size of model.
Its workers answer at once, without pulling or pushing; handing out, merging on the parameter
server, records and the order of commits are those of a training. Measured from the end of the first
tenth of the commits to the last commit: commits a second, and the processor time of the
coordinator's process for each.

The servers are processes, which use the same cores: commits a second say what this machine can do,
processor time what the coordinator needs wherever it runs. With --in-process they are servers in
the coordinator's process, whose processor time then is that of the whole cluster.
"""

from __future__ import annotations

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
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from dbsl_tf.common.files import check_writable, write_whole_text
from scripts.benchmarking.no_work import make_trainer

ROOT = Path(__file__).parents[1]

SECONDS_TO_START = 120
SECONDS_A_CELL = 900


def main(arguments: Sequence[str]) -> int:
    """Measure every combination in a process of its own, and report."""
    options = parse(arguments)
    if options.cell:
        print(json.dumps(measure(*options.cell, options.epochs, options.in_process)), flush=True)
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
    show(results, "all servers" if options.in_process else "coordinator")
    return 0


def run_cell(cell: str, options: argparse.Namespace) -> dict[str, Any]:
    """`measure` in a process, and a network, of its own."""
    own_network = ["-m", "dbsl_tf.cluster.namespaces", "--try"]
    program = [sys.executable, "-m", "scripts.benchmark_coordinator"]
    measuring = [*program, "--cell", cell, "--epochs", str(options.epochs)]
    if options.in_process:
        measuring.append("--in-process")
    done = subprocess.run(
        [sys.executable, *own_network, *measuring],
        stdout=subprocess.PIPE,
        text=True,
        timeout=SECONDS_A_CELL,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return json.loads(done.stdout.splitlines()[-1])


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; exits with status 2 where they make no sense."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--workers", type=numbers, default=[2, 8, 32], help="how many, as 2,8,32")
    parser.add_argument(
        "--parameters", type=numbers, default=[100_000, 10_000_000], help="of the model, likewise"
    )
    parser.add_argument("--epochs", type=int, default=100, help="mini-epochs of each worker")
    parser.add_argument(
        "--in-process", action="store_true", help="servers in the coordinator's process"
    )
    parser.add_argument("--output", type=Path, default=Path("coordinator.json"), help="JSON file")
    parser.add_argument("--cell", type=numbers, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.epochs < 10:
        parser.error(f"--epochs is {options.epochs}; give at least 10")
    return options


def numbers(text: str) -> list[int]:
    """Whole numbers above 0, with commas between.

    Raises:
        ArgumentTypeError: something else.
    """
    parts = text.split(",")
    if not all(part.isdecimal() and int(part) for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r}; give whole numbers above 0, such as 2,8,32")
    return [int(part) for part in parts]


def show(results: Sequence[dict[str, Any]], whose: str) -> None:
    """Print the table; `whose` processor time it is."""
    table = Table("workers", "parameters", "commits a second", f"{whose}, CPU ms a commit")
    for row in results:
        figures = f"{row['commits_per_second']:.1f}", f"{row['processor_milliseconds']:.2f}"
        table.add_row(str(row["workers"]), f"{row['parameters']:,}", *figures)
    Console().print(table)


def measure(workers: int, parameters: int, epochs: int, in_process: bool) -> dict[str, Any]:
    """Train mini-epochs of no work on a cluster; connects, so only once in a process."""
    from dbsl_tf.cluster.connecting import wait_for_servers
    from dbsl_tf.cluster.local import LocalCluster
    from dbsl_tf.common.quiet import import_tensorflow_quietly

    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        if in_process:
            import_tensorflow_quietly()
            task, _servers = serve_in_process(workers)
        else:
            task = running.enter_context(LocalCluster(workers, 1, Path(folder) / "logs")).task
            import_tensorflow_quietly()
        wait_for_servers(task, SECONDS_TO_START)
        from dbsl_tf.engine.engine import Engine

        clock = CommitClock()
        trainer = make_trainer(Engine(task), clock, parameters, epochs, Path(folder))
        trainer.warm_up()
        trainer.run()
    return {
        "workers": workers,
        "parameters": parameters,
        "in_process": in_process,
        **clock.figures(),
    }


def serve_in_process(workers: int) -> tuple[Any, list[Any]]:
    """Start one parameter server and the workers in this process.

    Returns:
        The task of the chief, and the servers, to be kept while they serve.
    """
    import tensorflow as tf

    from dbsl_tf.cluster.local import free_ports
    from dbsl_tf.cluster.task import CHIEF, ClusterAddresses, Task

    chief, server, *others = (f"127.0.0.1:{port}" for port in free_ports(2 + workers))
    addresses = ClusterAddresses(chief, tuple(others), (server,))
    options = tf.compat.v1.ConfigProto()
    # All servers share the threads of the process; each may occupy one while it waits for another.
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
    """Notes at every commit the time, and the processor time of this process."""

    def __init__(self) -> None:
        self._times: list[tuple[float, float]] = []
        self._faults: list[str] = []

    def committed(self, record: Any) -> None:
        """Note the times."""
        self._times.append((time.monotonic(), time.process_time()))

    def evaluated(self, record: Any) -> None:
        """The one at the end is not measured."""

    def survived(self, record: Any) -> None:
        """Note a fault, such as a lost worker."""
        self._faults.append(record.message)

    def figures(self) -> dict[str, float]:
        """From the end of the first tenth of the commits to the last.

        Raises:
            RuntimeError: a worker was lost meanwhile.
        """
        if self._faults:
            raise RuntimeError("; ".join(self._faults))
        times = np.array(self._times)[len(self._times) // 10 :]
        commits = len(times) - 1
        seconds, processor_seconds = times[-1] - times[0]
        return {
            "commits": commits,
            "commits_per_second": commits / seconds,
            "processor_milliseconds": 1000 * processor_seconds / commits,
        }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
