"""Trains a grid of configurations: `python -m dbsl_tf.sweep --config FILE --grid key=v1,v2`.

The runs are trained one after the other. Started again, the command skips finished runs and resumes
an interrupted one; a run that fails does not stop the others.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dbsl_tf.cli.command_line import config_parser, parse_config
from dbsl_tf.common.errors import UserError
from dbsl_tf.common.printing import print_line
from dbsl_tf.common.program import python_module, typed

if TYPE_CHECKING:
    from dbsl_tf.sweeping.planned_run import PlannedRun

FAILED_STATUS = 1


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
    parser.add_argument(
        "--seeds",
        type=int,
        default=1,
        metavar="N",
        help="runs at each point, with seeds counting up from run.seed (default: 1)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="folder for the runs (default: runs/sweep-FILE)"
    )
    parser.add_argument(
        "--print",
        action="store_true",
        dest="only_print",
        help="print the commands of the runs that are not finished, and stop",
    )
    parser.add_argument(
        "--launcher",
        metavar="COMMAND",
        help="command that starts a run, such as 'sbatch --nodes=5 scripts/slurm.sbatch' together "
        f"with --print (default: {typed('train')})",
    )
    options, config = parse_config(parser, arguments)
    if options.seeds < 1:
        raise UserError(f"--seeds is {options.seeds}; give at least 1")
    from dbsl_tf.sweeping.grid import check_overrides, parse_axes, points
    from dbsl_tf.sweeping.planned_run import planned_runs

    check_overrides(options.overrides)
    output = options.output or Path("runs") / f"sweep-{Path(options.config).stem}"
    grid = points(parse_axes(options.grid, options.overrides))
    seeds = range(config.run.seed, config.run.seed + options.seeds)
    runs = planned_runs(options.config, options.overrides, grid, seeds, output)
    if options.only_print:
        launcher = options.launcher or typed("train")
        for planned in runs:
            if planned.summary() is None:
                print(launcher, shlex.join(planned.arguments))
        return 0
    return _train_and_compare(options, runs, output)


def _launcher(given: str | None) -> list[str]:
    """Returns the words of the command that starts a run; raises UserError."""
    if given is None:
        return python_module("dbsl_tf.train")
    try:
        words = shlex.split(given)
    except ValueError as error:
        raise UserError(
            f"--launcher is {given!r}, which is not a command ({error}); correct its quotes"
        ) from error
    if not words or shutil.which(words[0]) is None:
        raise UserError(f"--launcher is {given!r}: there is no such program; give one that exists")
    return words


def _train_and_compare(options: Namespace, runs: list[PlannedRun], output: Path) -> int:
    from dbsl_tf.common.files import write_whole_text
    from dbsl_tf.common.terminal import Terminal
    from dbsl_tf.sweeping.running import run_all
    from dbsl_tf.sweeping.table import print_rows, rows_as_json, rows_of

    console = Terminal()
    launcher = _launcher(options.launcher)
    failures = run_all(runs, launcher, console)
    rows = rows_of(runs)
    print_rows(rows, console)
    write_whole_text(output / "sweep.json", json.dumps(rows_as_json(rows), indent=2) + "\n")
    finished = [str(planned.directory.path) for planned in runs if planned.summary() is not None]
    if finished:
        report = [*python_module("dbsl_tf.report"), *finished]
        subprocess.run([*report, "--output", str(output / "report.html")], check=False)
    for failure in failures:
        print_line(
            console, f"failed with status {failure.status}: {failure.run.name}: {failure.reason}"
        )
    return FAILED_STATUS if failures else 0
