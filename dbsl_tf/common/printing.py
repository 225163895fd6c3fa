"""Lines printed for people: in a terminal they are broken between words, elsewhere they stay."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_WORDS_AS_QUOTED = re.compile(r"""(?:[^\s'"\\]|\\.|'[^']*'|"[^"]*")+""")


def print_line(console: Console, line: str) -> None:
    """Prints a line, see `fitted`, without colouring numbers or paths."""
    console.print(_fitted(line, console), highlight=False, soft_wrap=True)


def print_command(console: Console, text: str, command: str) -> None:
    """Prints text and after it a command to be copied.

    In a terminal the command has lines of its own, which end as the shell wants them if there are
    several.

    Args:
        console: where to print.
        text: what is said of the command.
        command: quoted as a shell needs it.
    """
    if not console.is_terminal:
        print_line(console, f"{text} {command}")
        return
    print_line(console, text)
    words = _WORDS_AS_QUOTED.findall(command)
    lines = _filled(words, console.width - len(" \\"), "  ")
    console.print(" \\\n".join(lines), highlight=False, soft_wrap=True)


def tell(line: str) -> None:
    """Prints a line on standard error, see `fitted`."""
    print(fitted(line, sys.stderr), file=sys.stderr, flush=True)


def fitted(text: str, stream: Any) -> str:
    """Returns text as it is printed to a stream: broken between words if that is a terminal.

    A longer word than fits in a line, such as a path, stays whole: the terminal goes on with it in
    the next line, and it can be copied.

    Args:
        text: lines; those that are broken stay indented.
        stream: any object in the place of a stream.
    """
    if not is_terminal(stream):
        return text
    # Imported here because most output goes elsewhere, and loading it takes time.
    from dbsl_tf.common.terminal import Terminal

    return _fitted(text, Terminal(file=stream))


def is_terminal(stream: Any) -> bool:
    """Returns whether a stream is a terminal."""
    # A program may have put anything in the place of its streams, or closed them.
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


def _fitted(text: str, console: Console) -> str:
    if not console.is_terminal:
        return text
    lines = []
    for line in text.split("\n"):
        indent = line[: len(line) - len(line.lstrip())]
        # Columns may be separated by several spaces.
        words = re.findall(r"\S+\s*", line)
        lines += _filled(words, console.width, indent, "") or [""]
    return "\n".join(lines)


def _filled(words: list[str], width: int, indent: str, separator: str = " ") -> list[str]:
    """Returns lines of words that are up to `width` columns wide, but have at least one word."""
    from rich.cells import cell_len

    lines: list[str] = []
    begun = ""
    for word in words:
        longer = begun + separator + word if begun else indent + word
        if begun and cell_len(longer.rstrip()) > width:
            lines.append(begun.rstrip())
            longer = indent + word
        begun = longer
    return [*lines, begun.rstrip()] if begun else lines
