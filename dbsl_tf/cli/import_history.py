"""Imports a result file of the method's authors: `python -m dbsl_tf.import_history FILE.npy`.

It becomes a run directory that `report` and `plot` can read. Nothing in the file is executed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dbsl_tf.cli.command_line import CommandParser


def main(arguments: Sequence[str]) -> int:
    """Reads a file and writes a run directory."""
    parser = CommandParser(
        "import_history", "report and plot can read it. Nothing in the file is executed."
    )
    parser.add_argument("file", type=Path, metavar="FILE.npy", help="file that their program saved")
    parser.add_argument(
        "--output", type=Path, metavar="RUN", help="directory to create (default: runs/FILE)"
    )
    parser.add_argument(
        "--small-workers",
        type=int,
        metavar="N",
        help="the first N workers had the small batch (default: taken from the file name)",
    )
    options = parser.parse_args(arguments)
    from dbsl_tf.authors_files.imported_run import write_imported_run
    from dbsl_tf.authors_files.reading import read_history

    target = options.output or Path("runs") / options.file.stem
    history = read_history(options.file)
    write_imported_run(history, options.file, target, options.small_workers)
    evaluations = sum(commit.test_loss is not None for commit in history.commits)
    print(
        f"{len(history.commits):,} commits of {history.workers} worker(s) and {evaluations:,} "
        f"evaluations: {target}"
    )
    return 0
