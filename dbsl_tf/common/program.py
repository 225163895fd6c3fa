"""How this program was started, and how to start its other commands."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import NoReturn

_FOLDER = Path(__file__).resolve().parents[2]  # the one that holds the package
_SCRIPT = "dbsl"
# Environment variable: the command line of the program for which this process trains.
STARTED_BY = "DBSL_TF_STARTED_BY"


def typed(command: str = "", *arguments: str) -> str:
    """Returns what a person types to run a command, in the form used to start this process.

    Args:
        command: its name; empty for that of all commands.
        arguments: quoted as a shell needs it.

    Example:
        >>> typed("plan"), typed("export", "runs/my run")
        ('python -m dbsl_tf.plan', "python -m dbsl_tf.export 'runs/my run'")
    """
    if _by_script():
        started = f"{_SCRIPT} {command}".rstrip()
    else:
        started = f"python -m dbsl_tf.{command}".rstrip(".")
    return " ".join([started, *map(shlex.quote, arguments)])


def command_line() -> str:
    """Returns the command line of this process as a person typed it, quoted as a shell needs it.

    In the process that trains for a user's program it is that of the program.
    """
    if STARTED_BY in os.environ:
        return os.environ[STARTED_BY]
    module = getattr(sys.modules["__main__"], "__spec__", None)
    if _by_script() or module is None or not module.name.startswith("dbsl_tf."):
        return shlex.join(sys.orig_argv if not _by_script() else [_SCRIPT, *sys.argv[1:]])
    return typed(module.name.removeprefix("dbsl_tf."), *sys.argv[1:])


def python_module(module: str) -> list[str]:
    """Returns the words that run a module of this package; append its arguments to them."""
    # Python may search the working directory only if the package itself is found there, so that no
    # file of the user's is taken for a module.
    safe = [] if Path.cwd() == _FOLDER else ["-P"]
    return [sys.executable, *safe, "-m", module]


def python_path() -> str:
    """Returns a PYTHONPATH with which other processes find this package, wherever they start."""
    return os.pathsep.join(filter(None, [str(_FOLDER), os.environ.get("PYTHONPATH")]))


def is_a_command() -> bool:
    """Returns whether this process is a command of this package rather than a program using it."""
    started = getattr(sys.modules["__main__"], "__spec__", None)
    return _by_script() or (started is not None and started.name.startswith("dbsl_tf."))


def start_again(*arguments: str, through: tuple[str, ...] = ()) -> NoReturn:
    """Replaces this process with a fresh one of the same command.

    Args:
        arguments: appended to the arguments of this process.
        through: the words of a program that executes the command given as its arguments.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    command = [*through, sys.executable, *sys.orig_argv[1:], *arguments]
    os.execv(command[0], command)


def _by_script() -> bool:
    return Path(sys.argv[0]).name == _SCRIPT
