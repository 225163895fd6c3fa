"""Checks that no sample was lost or trained twice: `python -m dbsl_tf.audit RUN [--json]`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dbsl_tf.cli.command_line import CommandParser

if TYPE_CHECKING:
    from dbsl_tf.reporting.audit import Audit


def main(arguments: Sequence[str]) -> int:
    """Prints what became of the samples of each epoch.

    Returns 0 if none is lost or doubled, else 1.

    Raises:
        UserError: it is not the directory of a run, a file in it is damaged, or its workers do not
            share epochs.
    """
    options = _parser().parse_args(arguments)
    from dbsl_tf.reporting.audit import read_audit

    audit = read_audit(options.run)
    if options.json:
        print(json.dumps(audit.as_dict(), indent=2))
    else:
        _show(audit)
    return 0 if audit.passed else 1


def _show(audit: Audit) -> None:
    from rich.table import Table
    from rich.text import Text

    from dbsl_tf.common.printing import print_line
    from dbsl_tf.common.terminal import Terminal
    from dbsl_tf.reporting.wording import percent

    console = Terminal()
    print_line(console, f"{audit.run}: {audit.samples} samples in an epoch")
    table = Table()
    for heading in ("epoch", "samples", "of the epoch", "lost", "doubled"):
        table.add_column(heading, justify="right")
    table.add_column("state")
    for epoch in audit.epochs:
        cells = (epoch.epoch, epoch.seen, percent(epoch.share), epoch.lost, epoch.doubled)
        table.add_row(*(Text(str(cell)) for cell in (*cells, epoch.state)))
    if audit.epochs:
        console.print(table)
    print_line(console, audit.sentence)


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        "audit",
        "It goes by the run's history, of runs with data.sharing: disjoint; exit status 1 if a "
        "sample was lost or trained twice.",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="directory of the run")
    parser.add_argument("--json", action="store_true", help="print only one JSON object")
    return parser
