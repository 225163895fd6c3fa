"""Ends a run in order: `python -m dbsl_tf.stop RUN [--no-wait]`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dbsl_tf.cli.command_line import CommandParser
from dbsl_tf.common.printing import print_line

if TYPE_CHECKING:
    from rich.console import Console


def main(arguments: Sequence[str]) -> int:
    """Asks the run to stop, and waits for its end.

    Raises:
        UserError: there is no run, or it cannot be asked.
        ClusterError: it is not known whether it goes on, or it ended otherwise.
    """
    options = _parser().parse_args(arguments)
    from dbsl_tf.common.terminal import Terminal
    from dbsl_tf.operating.live_state import read_live_state
    from dbsl_tf.operating.resuming import words_of
    from dbsl_tf.operating.stopping import ask_to_stop, going_on, wait_for_end
    from dbsl_tf.results.run_directory import RunDirectory

    console, directory = Terminal(), RunDirectory(options.run)
    live = going_on(directory)
    if live is None:
        ended = read_live_state(directory)
        how = words_of(directory, ended) if ended else "finished"
        already = "" if ended and ended.outcome is None else " has ended already"
        print_line(console, f"{options.run}{already}: {how}")
        return 0
    ask_to_stop(directory, live)
    if options.no_wait:
        print_line(console, f"{options.run} is asked to stop: {live.words}")
        return 0
    with _showing(console) as show:
        last = wait_for_end(directory, live, show)
    if last and last.process != live.process:
        how = f"has ended, and was resumed by another process since: {last.words}"
    else:
        words = words_of(directory, last) if last else "it had not begun to train"
        how = f"has ended: {words}"
    print_line(console, f"{options.run} {how}")
    return 0


@contextmanager
def _showing(console: Console) -> Iterator[Callable[[str], None]]:
    """Shows what the run is at: on a terminal in place, elsewhere in a line for each change."""
    if console.is_terminal:
        with console.status("asked to stop") as status:
            yield status.update
        return
    told = ""

    def show(words: str) -> None:
        nonlocal told
        if words != told:
            told = words
            print_line(console, words)

    yield show


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        "stop",
        "It saves and says how it is resumed, as after a Ctrl-C. This works on any host that sees "
        "the run's folder and may write there.",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="directory of the run")
    parser.add_argument("--no-wait", action="store_true", help="do not wait for its end")
    return parser
