"""Embeds a figure in a page as SVG."""

from __future__ import annotations

import re
from io import StringIO
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def inline_svg(figure: Figure, name: str, description: str) -> Markup:
    """Returns the figure as an SVG element as wide as its container. Call it in `paper_style`.

    Args:
        figure: the figure to embed.
        name: a name unique in the page; identifiers inside the figure begin with it.
        description: a text alternative for people who cannot see the figure.
    """
    stream = StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    head, body = text.split(">", 1)
    head = re.sub(r' (?:width|height|version)="[^"]*"', "", head)
    named = Markup('role="img" aria-label="{0}"><title>{0}</title>').format(description)
    return Markup(f"{head} ") + named + Markup(body.strip())
