"""Shows the report of a run as a live page: `python -m dbsl_tf.watch RUN [--port N]`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from dbsl_tf.cli.command_line import CommandParser


def main(arguments: Sequence[str]) -> int:
    """Serves the page until it is interrupted.

    Raises:
        UserError: the run cannot be read, or the port cannot be used.
    """
    options = _parser().parse_args(arguments)
    from dbsl_tf.operating.live_page import ADDRESS, LivePage, page_server, start_renewing

    page = LivePage(options.run)
    with page_server(page, options.port) as server:
        start_renewing(page)
        print(f"http://{ADDRESS}:{server.server_port}/ (Ctrl-C ends it)", flush=True)
        server.serve_forever()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        "watch",
        "Only browsers on this machine reach it; for another one, forward the port over ssh.",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="directory of a run, finished or not")
    parser.add_argument(
        "--port", type=int, default=0, metavar="N", help="port (default: any that is free)"
    )
    return parser
