"""Trains a published grid anew: `python -m dbsl_tf.reproduce table5 --scale small`.

The runs are those of a sweep: started again, the command skips finished runs and resumes an
interrupted one.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbsl_tf.cli.command_line import CommandParser
from dbsl_tf.cli.launching import add_options, launcher_words, print_commands, print_failures
from dbsl_tf.common.errors import UserError
from dbsl_tf.common.printing import print_line, tell

if TYPE_CHECKING:
    from rich.console import Console

    from dbsl_tf.reproducing.published import Chosen
    from dbsl_tf.sweeping.planned_run import PlannedRun
    from dbsl_tf.sweeping.running import Failure


def main(arguments: Sequence[str]) -> int:
    """Plans the runs, prints or runs them, and compares their results with the published ones."""
    options = _parser().parse_intermixed_args(arguments)
    from dbsl_tf.common.files import write_whole_text
    from dbsl_tf.common.terminal import Terminal
    from dbsl_tf.reproducing.published import choose, names
    from dbsl_tf.reproducing.runs import runs_of

    if options.table is None:
        raise UserError(f"name what to reproduce: {', '.join(names())}")
    chosen = choose(options.table)
    output = options.output or Path("runs") / f"reproduce-{chosen.name}-{options.scale}"
    runs = runs_of(chosen, options.scale, options.overrides, options.seeds, output)
    trains = not (options.only_print or options.only_compare)
    launcher = launcher_words(options.launcher) if trains else []
    if chosen.remark:
        tell(chosen.remark)
    if options.only_print:
        print_commands(runs, options.launcher)
        return 0
    console = Terminal()
    print_line(console, f"{chosen.name}: {chosen.grid.title}")
    failures = _train(options, runs, launcher, console) if trains else []
    content = _compare(chosen, runs, console)
    output.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"grid": chosen.name, "scale": options.scale, **content}, indent=2)
    write_whole_text(output / "reproduce.json", text + "\n")
    return print_failures(failures, console)


def _parser() -> argparse.ArgumentParser:
    from dbsl_tf.reproducing.published import names

    parser = CommandParser("reproduce")
    parser.add_argument("table", nargs="?", help=f"what to reproduce: {', '.join(names())}")
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="override a configuration key for all runs, such as data.dir=/data",
    )
    parser.add_argument(
        "--scale",
        choices=("small", "full"),
        default="small",
        help="small: ResNet-8 on CIFAR-10 with a tenth of the epochs, hours on two cores; full: "
        "the published setting, for GPUs (default: small)",
    )
    add_options(
        parser,
        seeds=3,
        remark="runs of each row, with seeds counting up from run.seed; with 1, no two rows can be "
        "told apart (default: 3)",
        default_output="runs/reproduce-NAME-SCALE",
    )
    parser.add_argument(
        "--compare",
        action="store_true",
        dest="only_compare",
        help="compare the runs that are finished, train nothing",
    )
    return parser


def _train(
    options: argparse.Namespace, runs: list[PlannedRun], launcher: list[str], console: Console
) -> list[Failure]:
    """Trains the runs that are not finished; returns those that failed."""
    from dbsl_tf.reproducing.duration import Progress
    from dbsl_tf.reproducing.published import published
    from dbsl_tf.sweeping.running import run_all

    progress = Progress(runs, published().small_speed if options.scale == "small" else None)
    print_line(console, progress.outlook())
    return run_all(runs, launcher, console, progress.remark)


def _compare(chosen: Chosen, runs: list[PlannedRun], console: Console) -> dict[str, Any]:
    """Prints the finished runs beside the published ones; returns both as JSON values."""
    from dbsl_tf.reproducing.comparison import as_json, compare, print_comparisons
    from dbsl_tf.reproducing.published import published
    from dbsl_tf.sweeping.table import rows_of

    rows = rows_of(runs)
    comparisons = compare(chosen.grid, rows)
    print_comparisons(comparisons, chosen.grid, rows, console)
    for name in chosen.grid.source_names:
        print_line(console, f"published: {published().sources[name]}")
    return as_json(comparisons, rows)
