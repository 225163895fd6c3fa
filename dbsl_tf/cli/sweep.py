"""Trains a grid of configurations: `python -m dbsl_tf.sweep --config FILE --grid key=v1,v2`.

The runs are trained one after the other. Started again, the command skips finished runs and resumes
an interrupted one; a run that fails does not stop the others.
"""

from __future__ import annotations

import json
import subprocess
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dbsl_tf.cli.command_line import config_parser, parse_config
from dbsl_tf.cli.launching import add_options, launcher_words, print_commands, print_failures
from dbsl_tf.common.program import python_module

if TYPE_CHECKING:
    from dbsl_tf.sweeping.planned_run import PlannedRun


def main(arguments: Sequence[str]) -> int:
    """Plans the runs, prints or runs them, and compares their results."""
    parser = config_parser("sweep")
    parser.add_argument(
        "--grid",
        action="append",
        default=[],
        metavar="key=v1,v2,...",
        help="a key and the values to try; with several --grid options, every combination is "
        "trained",
    )
    add_options(
        parser,
        seeds=1,
        remark="runs at each point, with seeds counting up from run.seed (default: 1)",
        default_output="runs/sweep-FILE",
    )
    options, config = parse_config(parser, arguments)
    from dbsl_tf.sweeping.grid import check_overrides, parse_axes, points
    from dbsl_tf.sweeping.planned_run import planned_runs

    check_overrides(options.overrides)
    output = options.output or Path("runs") / f"sweep-{Path(options.config).stem}"
    grid = points(parse_axes(options.grid, options.overrides))
    seeds = range(config.run.seed, config.run.seed + options.seeds)
    runs = planned_runs(options.config, options.overrides, grid, seeds, output)
    if options.only_print:
        print_commands(runs, options.launcher)
        return 0
    return _train_and_compare(options, runs, output)


def _train_and_compare(options: Namespace, runs: list[PlannedRun], output: Path) -> int:
    from dbsl_tf.common.files import write_whole_text
    from dbsl_tf.common.terminal import Terminal
    from dbsl_tf.sweeping.running import run_all
    from dbsl_tf.sweeping.table import print_rows, rows_as_json, rows_of

    console = Terminal()
    launcher = launcher_words(options.launcher)
    failures = run_all(runs, launcher, console)
    rows = rows_of(runs)
    print_rows(rows, console)
    write_whole_text(output / "sweep.json", json.dumps(rows_as_json(rows), indent=2) + "\n")
    finished = [str(planned.directory.path) for planned in runs if planned.summary() is not None]
    if finished:
        report = [*python_module("dbsl_tf.report"), *finished]
        subprocess.run([*report, "--output", str(output / "report.html")], check=False)
    return print_failures(failures, console)
