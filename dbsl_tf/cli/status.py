"""Says how far a run is and how it goes: `python -m dbsl_tf.status RUN [--watch] [--json]`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dbsl_tf.cli.command_line import CommandParser

if TYPE_CHECKING:
    from dbsl_tf.operating.status import RunStatus


def main(arguments: Sequence[str]) -> int:
    """Prints the status, once or until the run has ended.

    Raises:
        UserError: it is not the directory of a run, or a file in it is damaged.
    """
    options = _parser().parse_args(arguments)
    from dbsl_tf.operating.status import read_status, renewed_status

    found = renewed_status(options.run) if options.watch else [read_status(options.run)]
    if options.json:
        for status in found:
            print(json.dumps(status.as_dict(), indent=None if options.watch else 2), flush=True)
    else:
        _show(found, options.watch)
    return 0


def _show(found: Iterable[RunStatus], watched: bool) -> None:
    """Prints it; what is watched is drawn anew on a terminal, and elsewhere told in lines."""
    from dbsl_tf.common.printing import print_line
    from dbsl_tf.common.terminal import Terminal
    from dbsl_tf.operating.status_text import head_lines, status_text

    console = Terminal()
    if watched and console.is_terminal:
        from rich.live import Live

        with Live(console=console, auto_refresh=False) as shown:
            for status in found:
                shown.update(status_text(status), refresh=True)
        return
    for status in found:
        if watched:
            print_line(console, " | ".join(head_lines(status)))
        else:
            console.print(status_text(status), soft_wrap=True)


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser("status", "It reads the run's folder, on any host that sees it.")
    parser.add_argument("run", type=Path, metavar="RUN", help="directory of the run")
    parser.add_argument("--watch", action="store_true", help="renew it until the run has ended")
    parser.add_argument("--json", action="store_true", help="print JSON; with --watch, in lines")
    return parser
