"""HTML from Python values: all text is escaped unless it is markup already."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape


class Markup(str):
    """Text that is HTML and not to be escaped."""


def markup(content: object) -> Markup:
    """Content as HTML."""
    return content if isinstance(content, Markup) else Markup(escape(str(content)))


def element(name: str, *content: object, **attributes: str) -> Markup:
    """An element; `class_` stands for the attribute class."""
    written = "".join(f' {key.rstrip("_")}="{escape(value)}"' for key, value in attributes.items())
    inside = "".join(map(markup, content))
    return Markup(f"<{name}{written}>{inside}</{name}>\n")


def together(*content: object) -> Markup:
    """Several pieces one after the other."""
    return Markup("".join(map(markup, content)))


def with_symbols(label: str) -> Markup:
    """A label with n_S and the like as symbols with an index."""
    return Markup(re.sub(r"\b([nBd])_([SL])\b", r"\1<sub>\2</sub>", escape(label)))


def table(
    caption: str, headings: Sequence[object], rows: Sequence[Sequence[object]], texts: int = 1
) -> Markup:
    """A table whose rows begin with their headings.

    Args:
        caption: above it.
        headings: of the columns; all empty for none.
        rows: of as many cells; None is a dash.
        texts: columns of text, from the left; those after them are numbers.
    """

    def cells(row: Sequence[object]) -> Markup:
        found = []
        for index, cell in enumerate(row):
            kind = "text" if index < texts else "number"
            content = "–" if cell is None else cell
            if index == 0:
                found.append(element("th", content, scope="row", class_=kind))
            else:
                found.append(element("td", content, class_=kind))
        return together(*found)

    head = [
        element("th", heading, scope="col", class_="text" if index < texts else "number")
        for index, heading in enumerate(headings)
    ]
    return element(
        "div",
        element(
            "table",
            element("caption", caption),
            element("thead", element("tr", *head)) if any(headings) else "",
            element("tbody", *(element("tr", cells(row)) for row in rows)),
        ),
        class_="table",
    )
