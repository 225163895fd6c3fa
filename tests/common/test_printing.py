"""Lines for people: whole in a log, broken between words in a terminal."""

from __future__ import annotations

import io
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dbsl_tf.common.printing import print_command, print_line
from dbsl_tf.common.terminal import Terminal
from tests.support.screens import COLUMNS, Screen, run_on_screen, shown_of

ROOT = Path(__file__).parents[2]
LONG = "worker 1 does not answer, and the run goes on without it until it is there again; " * 3
PATH = "/data/" + "a-folder-with-a-long-name/" * 5


def _console(terminal: bool) -> Terminal:
    return Terminal(file=io.StringIO(), force_terminal=terminal, width=COLUMNS)


def _shown(console: Terminal) -> Screen:
    return shown_of(console.file.getvalue())


class TestPrintLine:
    @pytest.mark.parametrize("line", [LONG, "雪崩 " * 60, f"{LONG}{PATH} cannot be read"])
    def test_a_terminal_breaks_it_between_words(self, line: str) -> None:
        console = _console(terminal=True)
        print_line(console, line)
        lines = console.file.getvalue().splitlines()
        assert " ".join(lines).split() == line.split()
        assert _shown(console).lines[0].split() == lines[0].split()

    def test_a_path_can_be_copied_from_a_terminal(self) -> None:
        console = _console(terminal=True)
        print_line(console, f"results of the run, all of them, are in {PATH} and nowhere else")
        shown = _shown(console).lines
        assert shown[0] == "results of the run, all of them, are in"
        assert shown[1] + shown[2] == PATH
        assert PATH in console.file.getvalue()

    def test_columns_and_indents_stay(self) -> None:
        console = _console(terminal=True)
        print_line(console, f"epoch   1/16  accuracy  28.06%\n  {LONG}")
        first, *rest = _shown(console).lines
        assert first == "epoch   1/16  accuracy  28.06%"
        assert len(rest) > 2 and all(line.startswith("  ") for line in rest)

    def test_elsewhere_it_stays_one_line(self) -> None:
        console = _console(terminal=False)
        print_line(console, LONG)
        assert console.file.getvalue() == f"{LONG}\n"


class TestPrintCommand:
    COMMAND = f"python -m dbsl_tf.train --config {PATH}config.yaml 'run.dir={PATH} of mine'"

    def test_what_a_terminal_shows_runs_when_it_is_copied(self) -> None:
        console = _console(terminal=True)
        print_command(console, f"{LONG}resume with", self.COMMAND)
        text = console.file.getvalue()
        said, command = text[: text.index("  python")], text[text.index("  python") :]
        assert said.split() == [*LONG.split(), "resume", "with"]
        assert len(command.splitlines()) > 1
        printed = subprocess.run(
            ["bash", "-c", f"python() {{ printf '%s\\n' \"$@\"; }}; {command}"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert printed.stdout.splitlines() == shlex.split(self.COMMAND)[1:]

    def test_elsewhere_it_stays_one_line(self) -> None:
        console = _console(terminal=False)
        print_command(console, "resume with", self.COMMAND)
        assert console.file.getvalue() == f"resume with {self.COMMAND}\n"


def test_an_error_on_a_terminal_is_broken_between_words() -> None:
    command = [sys.executable, "-m", "dbsl_tf.report", "missing", "--output", f"{PATH}page.pdf"]
    status, screen = run_on_screen([*command], {"PYTHONPATH": str(ROOT)})
    assert status == 2
    text = subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stderr
    assert len(text.splitlines()) == 1
    for word in text.split():
        assert any(word in line for line in screen.lines) or PATH in word
    assert len(screen.lines) > 1


def test_a_message_is_broken_between_words_wherever_it_comes_from() -> None:
    code = f"from dbsl_tf.common.printing import tell; tell({LONG!r})"
    _, screen = run_on_screen([sys.executable, "-c", code], {"PYTHONPATH": str(ROOT)})
    words = [word for line in screen.lines for word in line.split()]
    assert words == LONG.split()
