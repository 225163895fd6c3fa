"""How this program was started, and how others of its commands are."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

_FOLDER = Path(__file__).parents[2]  # of the package
_SCRIPT = "dbsl"


def typed(command: str = "") -> str:
    """What a person types for a command, in the way in which this process was started.

    Example:
        >>> typed("plan")
        'python -m dbsl_tf.plan'
    """
    if _by_script():
        return f"{_SCRIPT} {command}".rstrip()
    return f"python -m dbsl_tf.{command}".rstrip(".")


def python_module(module: str) -> list[str]:
    """The words that run a module of this package, to which its arguments are added."""
    # Only where the package itself is found in the working directory may Python look there: no
    # file of the user's is to be taken for a module.
    safe = [] if Path.cwd() == _FOLDER else ["-P"]
    return [sys.executable, *safe, "-m", module]


def is_a_command() -> bool:
    """Whether this process is a command of this package, and no program that imports it."""
    started = getattr(sys.modules["__main__"], "__spec__", None)
    return _by_script() or (started is not None and started.name.startswith("dbsl_tf."))


def start_again(*arguments: str, through: tuple[str, ...] = ()) -> NoReturn:
    """Replace this process by the same command, with nothing left of what it has in memory.

    Args:
        arguments: after those that it has.
        through: a program that becomes the one that its arguments name.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    command = [*through, sys.executable, *sys.orig_argv[1:], *arguments]
    os.execv(command[0], command)


def _by_script() -> bool:
    return Path(sys.argv[0]).name == _SCRIPT
