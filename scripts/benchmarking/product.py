"""Peer: dbsl_tf itself, run by its command line with its cluster of server processes.

    python -m scripts.benchmarking.product --config FILE [--mini-epochs N] [key=value ...]

Nothing is evaluated or saved before the last mini-epoch, as in the other peers.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from dbsl_tf.results.checkpoints import Checkpoints
from dbsl_tf.results.history_lines import read_events
from dbsl_tf.results.run_directory import RunDirectory
from scripts.benchmarking.processes import print_result, start
from scripts.benchmarking.workload import parse_workload, peer_parser


def main(arguments: list[str]) -> None:
    options, workload = parse_workload(peer_parser(__doc__.splitlines()[0]), arguments)
    epochs = workload.mini_epochs
    with tempfile.TemporaryDirectory() as folder:
        directory = RunDirectory(Path(folder) / "run")
        command = [
            *("-m", "dbsl_tf.train", "--config", options.config, *options.overrides),
            f"run.dir={directory.path}",
            f"schedule.epochs={epochs}",
            f"schedule.eval_every={epochs}",
            f"checkpoint.every={epochs}",
        ]
        process = start(command, "coordinator", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output, _ = process.communicate()
        if process.returncode:
            sys.exit(f"error: dbsl_tf.train failed: {output}")
        commits = [e for e in read_events(directory.history) if e["event"] == "commit"]
        checkpoint = Checkpoints(directory.checkpoints, 1).latest(print)
        if checkpoint is None:
            sys.exit("error: dbsl_tf.train saved no checkpoint")
        model_bytes = sum(weight.nbytes for weight in checkpoint.weights)
    keys = ("worker", "started", "samples", "seconds", "loop_seconds")
    records = [{key: commit[key] for key in keys} for commit in commits]
    print_result(records, min(record["started"] for record in records), model_bytes)


if __name__ == "__main__":
    main(sys.argv[1:])
