"""Hooks of MkDocs (mkdocs.yml): pages made from the program itself, and links out of docs/.

Commands and configuration keys are those of the argument parsers and of the configuration's schema,
so these pages say what `--help` says. `python -m mkdocs`, started in the project's folder, finds
the package there.
"""

from __future__ import annotations

import html
import io
import os
import re
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout, suppress
from itertools import groupby
from pathlib import Path
from unittest.mock import patch

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from dbsl_tf.cli.commands import COMMANDS, Command
from dbsl_tf.config import KeyDescription, describe_augmentations, describe_keys

ROOT = Path(__file__).resolve().parents[1]
# Files of the project that are pages too, by what they are called there.
PROJECT_PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
_LINK = re.compile(r"(?<=\]\()(?P<target>[^)#\s]+)(?=[)#])")
_KEYS = "\nconfiguration keys:\n"
_COMMANDS = """# Commands

`dbsl NAME` and `python -m dbsl_tf.NAME` are the same; so are `dbsl NAME --help` and what is below.
Any [configuration key](configuration.md) can be overridden where a command takes `key=value`. A
mistake gives one line on standard error and exit status 2, a cluster that fails status 1, Ctrl-C
130, SIGTERM 143.
"""
_CONFIGURATION = """# Configuration

A configuration is a YAML file with these sections; `dbsl train --config FILE --print-config` prints
it with every default. On the command line, a key is overridden by its dotted name, as in
`dual_batch.small_workers=0`.
"""
_AUGMENTATIONS = """## Augmentations

Parameters of the steps of `data.augment`, as in `data.augment=[{random_crop: {padding: 4}}]`.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are not in docs/, and the examples that pages link to."""
    pages = {"commands.md": commands(), "configuration.md": configuration()}
    for name, page in PROJECT_PAGES.items():
        pages[page] = (ROOT / name).read_text(encoding="utf-8")
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    for path in sorted((ROOT / "examples").iterdir()):
        if path.is_file():
            name = f"examples/{path.name}"
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Leads links between the project's files to the pages of the site."""
    inside = page.file.src_uri in PROJECT_PAGES.values()

    def lead(link: re.Match[str]) -> str:
        target = link["target"]
        if inside:
            return PROJECT_PAGES.get(target, target.removeprefix("docs/"))
        outside = target.removeprefix("../")
        return PROJECT_PAGES.get(outside, outside if outside.startswith("examples/") else target)

    return _LINK.sub(lead, markdown)


def commands() -> str:
    """Returns the page of the commands, in Markdown."""
    parts = [_COMMANDS]
    for command in COMMANDS.values():
        text, _, keys = help_of(command).partition(_KEYS)
        parts.append(f"## {command.name}\n\n```text\n{text.strip()}\n```\n")
        if keys:
            parts.append("Overrides: see [Configuration](configuration.md).\n")
    return "\n".join(parts)


def help_of(command: Command) -> str:
    """Returns what `dbsl NAME --help` prints, 90 columns wide."""
    printed = io.StringIO()
    with (
        patch.object(sys, "argv", ["dbsl"]),
        patch.dict(os.environ, {"COLUMNS": "90"}),
        redirect_stdout(printed),
        suppress(SystemExit),
    ):
        command.main()(["--help"])
    return printed.getvalue()


def configuration() -> str:
    """Returns the page of the configuration's keys, in Markdown."""
    parts = [_CONFIGURATION]
    for section, keys in groupby(describe_keys(), key=lambda item: item.key.partition(".")[0]):
        parts.append(f"## {section}\n\n{_table(keys)}")
    return "\n".join([*parts, _AUGMENTATIONS, _table(describe_augmentations())])


def _table(items: Iterable[KeyDescription]) -> str:
    lines = ["| key | meaning | allowed | default |", "|---|---|---|---|"]
    for item in items:
        default = "required" if item.default is None else f"`{item.default}`"
        cells = (f"`{item.key}`", html.escape(item.meaning), html.escape(item.allowed), default)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
