"""Output that fails, or lacks characters, harms nothing; text is never taken for markup."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest
from rich.table import Table

from dbsl_tf.common.output import Unfailing
from dbsl_tf.common.terminal import Terminal

BRACKETS = "runs/a[/b] [bold]x[/bold] :smile:"


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_text_is_shown_as_it_is() -> None:
    written = io.StringIO()
    terminal = Terminal(file=written, width=100)
    terminal.print(BRACKETS)
    table = Table(title=BRACKETS)
    table.add_column(BRACKETS)
    table.add_row(BRACKETS)
    terminal.print(table)
    assert written.getvalue().count(BRACKETS) == 4


def test_a_file_is_no_screen_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.setenv(variable, "1")
    assert not Terminal(file=io.StringIO()).is_terminal
    controller, screen = os.openpty()
    with open(controller, "rb"), open(screen, "w") as stream:
        assert Terminal(file=stream).is_terminal


def test_a_stream_that_fails_is_not_written_to_any_more() -> None:
    stream = Unfailing(Full())
    assert stream.write("lost") == 4
    stream.flush()
    closed = io.StringIO()
    closed.close()
    Unfailing(closed).write("lost")


def test_a_stream_that_works_gets_all() -> None:
    written = io.StringIO()
    print("one", "two", file=Unfailing(written), flush=True)
    assert written.getvalue() == "one two\n"


def test_what_cannot_be_encoded_is_escaped() -> None:
    program = (
        "from dbsl_tf.common.output import escape_what_cannot_be_encoded\n"
        "escape_what_cannot_be_encoded()\n"
        "print('\\u4e2d \\udcff')"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert shown.stdout == "\\u4e2d \\udcff\n"


def test_streams_that_are_closed_from_the_beginning() -> None:
    program = (
        "from dbsl_tf.common.output import escape_what_cannot_be_encoded\n"
        "escape_what_cannot_be_encoded()\n"
        "print(1)"
    )
    subprocess.run(f"{sys.executable} -c '{program}' >&- 2>&-", shell=True, check=True)


def test_a_stream_of_a_programs_own_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tee:
        def __init__(self) -> None:
            self.text = ""

        def write(self, text: str) -> int:
            self.text += text
            return len(text)

        def flush(self) -> None:
            pass

    tee = Tee()
    for stream, expected in ((tee, "line\n"), (None, None)):
        monkeypatch.setattr(sys, "stdout", stream)
        Terminal().print("line")
        assert getattr(stream, "text", None) == expected
    closed = io.StringIO()
    closed.close()
    assert not Terminal(file=closed).is_terminal
