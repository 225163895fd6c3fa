"""The page as a whole: texts of runs do not become part of its markup, and it fits a window."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from dbsl_tf.reporting.comparison import group_runs
from dbsl_tf.reporting.page import render_page
from dbsl_tf.reporting.reading import read_runs
from dbsl_tf.results.records import FaultRecord
from tests.support.browsers import headless_browser
from tests.support.records import noise_record
from tests.support.run_directories import HYBRID, START, make_run

HOSTILE = "<script>&amp;\"' onload='x' n_S{{ 7 * 7 }}"


class _Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.tags.append((tag, tuple(attributes)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def _page(*runs: Path) -> _Elements:
    return _Elements(render_page(group_runs(read_runs(runs))))


def test_texts_of_a_run_stay_texts(tmp_path: Path) -> None:
    fault = FaultRecord(1, "absent", 1, HOSTILE, time=START + 1.5)
    make_run(tmp_path / HOSTILE, "schedule.epochs=1", faults=[fault])
    page = _page(tmp_path / HOSTILE)
    assert f"Run {HOSTILE}" in page.texts  # of both title and h1
    assert f"worker 1: {HOSTILE}" in page.texts
    assert not any(tag == "script" for tag, _ in page.tags)
    assert not any(name == "onload" for _, attributes in page.tags for name, _ in attributes)
    (config,) = (text for text in page.texts if text.startswith("data:\n"))
    assert config == (tmp_path / HOSTILE / "config.yaml").read_text(encoding="utf-8")


def test_the_batch_noise_is_told_where_it_was_measured(tmp_path: Path) -> None:
    make_run(tmp_path / "run", "schedule.epochs=1", noises=[noise_record()])
    make_run(tmp_path / "without", "schedule.epochs=1")
    assert "Batch noise" in _page(tmp_path / "run").texts
    assert "Batch noise" not in _page(tmp_path / "without").texts


def test_several_runs_are_told_by_name_and_by_their_symbols(tmp_path: Path) -> None:
    for name, small in ((HOSTILE, 0), ("other", 1)):
        make_run(
            tmp_path / name, "schedule.epochs=1", f"dual_batch.small_workers={small}", commits=0
        )
    page = _page(tmp_path / HOSTILE, tmp_path / "other")
    assert not any(tag == "script" for tag, _ in page.tags)
    text = "".join(page.texts)
    assert f"{HOSTILE} (nS = 0" in text and "other (nS = 1" in text
    assert ("sub", ()) in page.tags


@pytest.mark.slow
def test_tables_of_a_run_fit_a_window_of_1200_pixels(tmp_path: Path) -> None:
    # Times of many digits.
    times = ("progressive.a=[3.1,7.1]", "progressive.b=[100,120]")
    make_run(tmp_path / "run", *HYBRID, *times)
    page = tmp_path / "page.html"
    page.write_text(render_page(group_runs(read_runs([tmp_path / "run"]))))
    with headless_browser() as browser:
        window = browser.new_page(viewport={"width": 1200, "height": 800})
        window.goto(page.as_uri())
        tables = window.locator(".table").all()
        widths = [table.evaluate("e => [e.scrollWidth, e.clientWidth]") for table in tables]
        assert len(widths) > 5
        assert all(content <= room for content, room in widths)
        assert window.evaluate("document.documentElement.scrollWidth") == 1200
