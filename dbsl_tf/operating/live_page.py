"""The report of a run as a page that renews itself, for browsers on this machine."""

from __future__ import annotations

import json
import re
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from dbsl_tf.common.errors import UserError
from dbsl_tf.operating.live_state import read_live_state
from dbsl_tf.operating.status import RunStatus, status_of
from dbsl_tf.operating.status_text import head_lines
from dbsl_tf.reporting.comparison import group_runs
from dbsl_tf.reporting.page import render_page
from dbsl_tf.reporting.reading import read_run
from dbsl_tf.results.run_directory import RunDirectory

ADDRESS = "127.0.0.1"
# A page of another site that has got itself this machine's address is not answered.
# Browsers leave out port 80.
_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?", re.IGNORECASE)
# Seconds between two looks at the run; drawing the page takes at most this share of the time.
_PERIOD = 2.0
_SHARE = 0.25
# The page needs nothing from elsewhere.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'"
)


class LivePage:
    """The page, drawn anew whenever the run has got on.

    Args:
        path: directory of the run.

    Attributes:
        html: the whole page, as it was drawn last.

    Raises:
        UserError: the run cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._directory = RunDirectory(path)
        self._directory.check_has_history()
        self._drawn: Any = None
        self._drawings = 0
        self._drawn_at = self._took = 0.0
        self._lines: list[str] = []
        self.html = ""
        self.renew()

    def renew(self) -> None:
        """Looks at the run, and draws the page if something in it has changed.

        Raises:
            UserError: the run cannot be read.
        """
        live = read_live_state(self._directory)
        run = read_run(self._directory.path)
        status = status_of(run, live)
        now = time.monotonic()
        if _content(status) != self._drawn and now - self._drawn_at >= self._took / _SHARE:
            page = render_page(group_runs([run]), live=self._drawings + 1)
            self._drawings, self.html, self._drawn = self._drawings + 1, page, _content(status)
            self._drawn_at = time.monotonic()
            self._took = self._drawn_at - now
        self._lines = list(head_lines(status))

    def keep_renewing(self) -> None:
        """Renews it for as long as the process lives; what goes wrong is shown in the page."""
        while True:
            time.sleep(_PERIOD)
            try:
                self.renew()
            except UserError as error:
                # It may be read again later, as when a run is resumed.
                self._lines = [str(error)]

    @property
    def status(self) -> dict[str, Any]:
        """What the page asks for over and over: lines to show, and the number of the drawing."""
        return {"lines": self._lines, "drawing": self._drawings}


def page_server(page: LivePage, port: int) -> ThreadingHTTPServer:
    """Returns a server of the page on this machine's loopback.

    Args:
        page: the page.
        port: where to listen; 0: any that is free.

    Raises:
        UserError: the port cannot be used.
    """

    class Handler(_Handler):
        shown = page

    try:
        return ThreadingHTTPServer((ADDRESS, port), Handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"--port {port} cannot be used ({reason}); give another, or 0 for any that is free"
        ) from error


def start_renewing(page: LivePage) -> None:
    """Renews the page in a thread of its own."""
    threading.Thread(target=page.keep_renewing, name="live page", daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    shown: LivePage
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if not _HOST.fullmatch(self.headers.get("Host", "")):
            self._answer(HTTPStatus.FORBIDDEN, "text/plain", "only for this machine\n")
        elif self.path == "/":
            self._answer(HTTPStatus.OK, "text/html", self.shown.html)
        elif self.path == "/status.json":
            self._answer(HTTPStatus.OK, "application/json", json.dumps(self.shown.status))
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", "not found\n")

    def _answer(self, status: HTTPStatus, kind: str, text: str) -> None:
        content = text.encode(errors="backslashreplace")
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Prints nothing: the page asks every two seconds."""


def _content(status: RunStatus) -> tuple[object, ...]:
    """Returns what the page shows, as far as it changes while a run goes on."""
    return (
        status.commits,
        status.evaluation,
        status.faults,
        status.plan_for_present,
        status.condition,
    )
