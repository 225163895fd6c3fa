"""Progress that is shown only of what takes long."""

from __future__ import annotations

import io

from rich.console import Console

from dbsl_tf.common.progress import LateProgress


def _shown(terminal: bool, unit: str = "images", total: int = 4000, **settings) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with LateProgress(unit, console=console, **settings) as progress:
        done = progress.of("evaluating", total)
        for count in (total // 4, total // 2):
            done(count)
    return console.file.getvalue()


def test_a_bar_on_a_terminal() -> None:
    shown = _shown(terminal=True, patience=0)
    assert "evaluating" in shown and "50%" in shown


def test_lines_elsewhere_where_they_are_asked_for() -> None:
    lines = _shown(terminal=False, patience=0, lines=True).splitlines()
    assert lines == ["evaluating: 1,000 of 4,000 images", "evaluating: 2,000 of 4,000 images"]
    assert _shown(terminal=False, patience=0) == ""


def test_nothing_of_what_is_soon_done() -> None:
    assert _shown(terminal=True) == _shown(terminal=False, lines=True) == ""


def test_bytes_are_told_in_a_fitting_unit() -> None:
    assert "2.0/4.0 MB" in _shown(terminal=True, unit="bytes", total=4_000_000, patience=0)
