"""The command `dbsl`, which `python -m dbsl_tf` runs too: `dbsl COMMAND [ARGUMENT ...]`."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from typing import NoReturn

from dbsl_tf import __version__
from dbsl_tf.cli.command_line import Parser, run
from dbsl_tf.cli.commands import COMMANDS
from dbsl_tf.common.errors import UserError
from dbsl_tf.common.program import typed


def start() -> NoReturn:
    """Runs the command line and exits with its status."""
    run(main)


def main(arguments: Sequence[str]) -> int:
    """Runs the command named by the first argument with the other arguments.

    Returns:
        The command's exit status.

    Raises:
        UserError: there is no such command, or the command raised it.
    """
    options = _parser().parse_args(arguments)
    if options.command is None:
        raise UserError(f"name a command: {', '.join(COMMANDS)}; as in {typed('train')} --help")
    if options.command not in COMMANDS:
        close = difflib.get_close_matches(options.command, COMMANDS, n=1)
        hint = f"did you mean {close[0]}? They are" if close else "the commands are"
        raise UserError(f"there is no command {options.command!r}; {hint} {', '.join(COMMANDS)}")
    return COMMANDS[options.command].main()(options.arguments)


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    listing = [f"  {command.name:{width}}  {command.summary}" for command in COMMANDS.values()]
    parser = Parser(
        prog=typed(),
        usage="%(prog)s COMMAND [ARGUMENT ...]",
        description="Train image classifiers on a TensorFlow parameter-server cluster with dual "
        "batch sizes.",
        epilog="\n".join(
            ["commands:", *listing, "", f"{typed('COMMAND')} --help describes its arguments."]
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"dbsl_tf {__version__}")
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser
