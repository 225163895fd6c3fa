"""Run a program that trains with dbsl_tf.Trainer: python -m dbsl_tf.run PROGRAM.py [ARGUMENT ...]

It is what `python PROGRAM.py` does, but a mistake is one line, and the exit status that of the
other commands. Either way the cluster on this machine is isolated as `cluster.isolation` says.
"""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from dbsl_tf.cli.command_line import CommandParser
from dbsl_tf.common.errors import UserError
from dbsl_tf.common.import_path import search_also


def main(arguments: Sequence[str]) -> int:
    """Run the program as the main module of this process."""
    parser = CommandParser("run", "Everything after its name is passed on to it.")
    parser.add_argument("program", type=Path, metavar="PROGRAM", help="a Python file")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of the program")
    options = parser.parse_args(arguments)
    if not options.program.is_file():
        raise UserError(f"{options.program}: there is no such file; give a program, a Python file")
    # Modules beside it are found, as when Python runs it.
    search_also([str(options.program.resolve().parent)])
    sys.argv = [str(options.program), *options.arguments]
    runpy.run_path(str(options.program), run_name="__main__")
    return 0
