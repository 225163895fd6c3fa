"""What the commands that train several runs share: their options, and how runs are started."""

from __future__ import annotations

import argparse
import shlex
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.printing import print_line
from dbsl_tf.common.program import python_module, typed

if TYPE_CHECKING:
    from rich.console import Console

    from dbsl_tf.sweeping.planned_run import PlannedRun
    from dbsl_tf.sweeping.running import Failure

FAILED_STATUS = 1


def add_options(
    parser: argparse.ArgumentParser, seeds: int, remark: str, default_output: str
) -> None:
    """Adds the options for seeds, folder and start of the runs.

    Args:
        parser: of the command.
        seeds: the default of `--seeds`.
        remark: what more its help says of it.
        default_output: the default of `--output`, for people.
    """
    parser.add_argument("--seeds", type=_seeds, default=seeds, metavar="N", help=remark)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help=f"folder for the runs (default: {default_output})",
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


def launcher_words(given: str | None) -> list[str]:
    """Returns the words of the command that starts a run.

    Args:
        given: `--launcher`.

    Raises:
        UserError: it is not a command, or there is no such program.
    """
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


def print_commands(runs: Iterable[PlannedRun], given: str | None) -> None:
    """Prints the commands of the runs that are not finished; `given` is `--launcher`."""
    launcher = given or typed("train")
    for planned in runs:
        if planned.summary() is None:
            print(launcher, shlex.join(planned.arguments))


def print_failures(failures: Iterable[Failure], console: Console) -> int:
    """Prints why runs failed; returns the exit status of the command."""
    status = 0
    for failure in failures:
        print_line(
            console, f"failed with status {failure.status}: {failure.run.name}: {failure.reason}"
        )
        status = FAILED_STATUS
    return status


def _seeds(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"--seeds is {text}; give a whole number of at least 1")
    return int(text)
