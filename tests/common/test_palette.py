"""The colours of everything that is drawn are in one place."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbsl_tf.common.palette import line_style, marker_style, shade

ROOT = Path(__file__).parents[2]
PALETTE = ROOT / "dbsl_tf" / "common" / "palette.py"
FILES = [
    file.relative_to(ROOT).as_posix()
    for folder in ("dbsl_tf", "scripts")
    for file in sorted((ROOT / folder).rglob("*"))
    if file.suffix in (".py", ".html", ".css") and file != PALETTE
]
# matplotlib's keywords; rich has its colours in styles and, as markup, in texts.
_KEYWORDS = {"c", "cmap", "color", "ecolor", "edgecolor", "facecolor"}
_KEYWORDS |= {"markeredgecolor", "markerfacecolor"}
_NAMES = "black|red|green|yellow|blue|magenta|cyan|white"


def _named(program: str) -> Iterator[str]:
    """Colours that a program names instead of taking them from the palette."""
    for node in ast.walk(ast.parse(program)):
        pairs: list[tuple[object, ast.expr]] = []
        if isinstance(node, ast.Call):
            pairs = [(keyword.arg, keyword.value) for keyword in node.keywords]
        elif isinstance(node, ast.Dict):
            keys = [getattr(key, "value", None) for key in node.keys]
            pairs = list(zip(keys, node.values))
        for key, value in pairs:
            for text in _texts(value):
                named = key in _KEYWORDS and text != "none"
                styled = str(key).endswith("style") and re.search(rf"\b({_NAMES})\b", text)
                if named or styled:
                    yield f"{key}={text}"
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(rf"\[[^\]]*\b(?:{_NAMES})\b[^\]]*\]", node.value)


def _texts(node: ast.AST) -> Iterator[str]:
    """The texts in an expression, other than keys such as in style["color"]."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif not isinstance(node, ast.Subscript):
        for child in ast.iter_child_nodes(node):
            yield from _texts(child)


@pytest.mark.parametrize("name", FILES)
def test_no_other_file_names_a_colour(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.findall(r"#(?:[0-9a-fA-F]{3,4}){1,2}\b", text)
    if name.endswith(".py"):
        assert not list(_named(text))


@pytest.mark.parametrize(
    ("program", "found"),
    [
        ("plot(color='0.9')", ["color=0.9"]),
        ("plot(color='red' if sad else INK)", ["color=red"]),
        ("style = {'edgecolor': 'k'}", ["edgecolor=k"]),
        ("column(style='bold red')", ["style=bold red"]),
        ("say('[bold green]done[/]')", ["[bold green]"]),
        ("plot(color=INK, facecolor='none', linestyle='--', style='bold')", []),
        ("plot(color=style['color'])", []),
    ],
)
def test_a_colour_is_found_wherever_it_is_named(program: str, found: list[str]) -> None:
    assert list(_named(program)) == found


def test_lines_and_markers_differ_without_colour() -> None:
    styles = [line_style(index) for index in range(64)]
    assert len({(str(style["linestyle"]), style["marker"]) for style in styles}) == 64
    assert marker_style(9)["marker"] == styles[9]["marker"]


def test_shades_are_darker_one_after_the_other() -> None:
    shades = [shade(rank, 4) for rank in range(4)]
    assert shades == sorted(shades, reverse=True) and len(set(shades)) == 4
    assert shade(0, 1) == shades[0]
