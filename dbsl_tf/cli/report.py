"""Writes a report of runs: `python -m dbsl_tf.report RUN [RUN ...] [--output FILE.html]`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from dbsl_tf.cli.command_line import CommandParser
from dbsl_tf.common.errors import UserError
from dbsl_tf.common.files import check_writable, write_whole_text


def main(arguments: Sequence[str]) -> int:
    """Reads the runs, writes the page and prints where it is.

    Returns the exit status.

    Raises:
        UserError: a run cannot be read, or the page cannot be written.
    """
    options = _parser().parse_args(arguments)
    output = options.output or _default_output(options.runs)
    if output.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--output is {output}; give a name that ends with .html")
    from dbsl_tf.common.progress import LateProgress
    from dbsl_tf.reporting.comparison import group_runs
    from dbsl_tf.reporting.page import render_page
    from dbsl_tf.reporting.reading import read_runs

    groups = group_runs(read_runs(options.runs))
    check_writable(output)
    with LateProgress("parts") as progress:
        done = progress.of("drawing", len(options.runs) + (len(options.runs) > 1))
        counts = count(1)
        page = render_page(groups, lambda _: done(next(counts)))
    write_whole_text(output, page)
    print(output)
    return 0


def _default_output(runs: Sequence[Path]) -> Path:
    return runs[0] / "report.html" if len(runs) == 1 else Path("report.html")


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        "report",
        "It shows plan, curves, timeline, time model and configuration. Runs that differ only in "
        "run.seed are summarised by their mean and standard deviation.",
    )
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="directory of a run, finished or not"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="file to write (default: RUN/report.html, or report.html for several runs)",
    )
    return parser
