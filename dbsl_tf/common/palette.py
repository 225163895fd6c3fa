"""The colours of figures and of the report, with the line styles and markers that go with them.

Things that differ in colour also differ in another way, so a print in grey loses nothing.
"""

from __future__ import annotations

from typing import Any

BLACK = "#000000"
WHITE = "#ffffff"
INK = "#262626"  # text, edges
DARK = "#595959"  # captions, limits, predictions
MIDDLE = "#999999"
LIGHT = "#bfbfbf"
FAINT = "#e6e6e6"  # grids and rules
PALE = "#f0f0f0"  # backgrounds
ACCENT = "#c1440e"
ACCENT_PALE = "#faf3f0"
SERIES = (BLACK, ACCENT, "#174f86", "#8fb339", "#8b5fbf", "#c99700", "#4a4a4a", "#5aa9a9")
SHARES = "Greys"  # matplotlib's name of a colour map; 0 is white

_LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (3, 1)), (0, (1, 2)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

ROLE_FILLS: dict[str, dict[str, Any]] = {
    "small": {"facecolor": FAINT, "hatch": "//////"},
    "large": {"facecolor": MIDDLE},
}
OTHER_FILL: dict[str, Any] = {"facecolor": LIGHT, "hatch": "...."}


def line_style(index: int) -> dict[str, Any]:
    """Returns keywords for a line that differs from those of other indices, even in grey."""
    return {
        "color": SERIES[index % len(SERIES)],
        "linestyle": _LINES[index % len(_LINES)],
        **marker_style(index),
    }


def marker_style(index: int) -> dict[str, Any]:
    """Returns keywords for markers that differ from those of other indices."""
    # Each time the colours start over, the markers are shifted by one.
    turn, place = divmod(index, len(SERIES))
    return {
        "marker": _MARKERS[(place + turn) % len(_MARKERS)],
        "color": SERIES[place],
        "markerfacecolor": WHITE,
        "markeredgewidth": 0.8,
    }


def limit_style() -> dict[str, Any]:
    """Returns keywords for a line at a value that must not, or cannot, be exceeded."""
    return {"color": DARK, "linewidth": 1, "linestyle": (0, (1, 3))}


def shade(rank: int, of: int) -> str:
    """Returns a grey to put behind black text, for the `rank`-th of `of`; the last is darkest."""
    level = round(255 * (0.88 - 0.22 * rank / max(1, of - 1)))
    return f"#{level:02x}{level:02x}{level:02x}"
