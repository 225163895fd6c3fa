"""The documentation as a site: it builds without a warning, and has every command, key and name."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import dbsl_tf
from dbsl_tf.cli.commands import COMMANDS
from dbsl_tf.config import describe_keys
from tests.support.launching import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    assert len(README.splitlines()) < 350
    for target in re.findall(r"\]\(([^):#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_readme_names_every_page() -> None:
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md", "api.md"}
    assert {Path(name).name for name in re.findall(r"\]\(docs/([^)]+\.md)\)", README)} == pages


def test_all_that_a_program_imports_is_described() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    named = {name.rpartition(".")[2] for name in re.findall(r"^::: (\S+)$", text, re.MULTILINE)}
    assert set(dbsl_tf.__all__) <= named


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        # Not about this site, but about what its theme will become.
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    return folder


def words_of(page: Path) -> str:
    return html.unescape(re.sub("<[^>]*>", "", page.read_text(encoding="utf-8")))


@pytest.mark.slow
class TestSite:
    def test_it_has_the_help_of_every_command(self, site: Path) -> None:
        words = words_of(site / "commands" / "index.html")
        for name in COMMANDS:
            assert f"usage: dbsl {name} " in words

    def test_it_has_every_configuration_key(self, site: Path) -> None:
        words = words_of(site / "configuration" / "index.html")
        for item in describe_keys():
            assert item.key in words
            assert item.meaning in words

    def test_it_has_docstrings_of_every_public_name(self, site: Path) -> None:
        text = (site / "api" / "index.html").read_text(encoding="utf-8")
        for name in dbsl_tf.__all__:
            found = re.search(rf'id="dbsl_tf\.[a-z_.]+\.{name}"', text)
            assert found and getattr(dbsl_tf, name).__doc__, name

    def test_it_loads_nothing_from_elsewhere(self, site: Path) -> None:
        for page in site.rglob("*.html"):
            text = page.read_text(encoding="utf-8")
            loaded = re.findall(
                r"<(?:script|img|link)[^>]+(?:src|href)=\"?(https?://[^\" >]+)", text
            )
            assert loaded == [], page

    def test_links_out_of_the_folder_lead_to_pages(self, site: Path) -> None:
        text = (site / "extending" / "index.html").read_text(encoding="utf-8")
        assert 'href="../contributing/"' in text
        assert (site / "contributing" / "index.html").exists()
