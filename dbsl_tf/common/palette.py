"""All colours, of figures and of the report's page, and the lines and markers that go with them.

Whatever differs in colour differs in something else too: a print in grey loses nothing.
"""

from __future__ import annotations

from typing import Any

BLACK = "#000000"
WHITE = "#ffffff"
INK = "#262626"  # text, edges
DARK = "#595959"  # what explains: captions, limits, predictions
MIDDLE = "#999999"
LIGHT = "#bfbfbf"
FAINT = "#e6e6e6"  # grids and rules
PALE = "#f0f0f0"  # behind what is drawn or written
ACCENT = "#c1440e"
ACCENT_PALE = "#faf3f0"
SERIES = (BLACK, ACCENT, "#174f86", "#8fb339", "#8b5fbf", "#c99700", "#4a4a4a", "#5aa9a9")
SHARES = "Greys"  # matplotlib's name of a map from 0, which is white, to 1

_LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (3, 1)), (0, (1, 2)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

ROLE_FILLS: dict[str, dict[str, Any]] = {
    "small": {"facecolor": FAINT, "hatch": "//////"},
    "large": {"facecolor": MIDDLE},
}
OTHER_FILL: dict[str, Any] = {"facecolor": LIGHT, "hatch": "...."}


def line_style(index: int) -> dict[str, Any]:
    """Keywords of a line that can be told from those of other indices, also in grey."""
    return {
        "color": SERIES[index % len(SERIES)],
        "linestyle": _LINES[index % len(_LINES)],
        **marker_style(index),
    }


def marker_style(index: int) -> dict[str, Any]:
    """Keywords of markers that can be told from those of other indices."""
    # With every turn of the colours the markers move on by one.
    turn, place = divmod(index, len(SERIES))
    return {
        "marker": _MARKERS[(place + turn) % len(_MARKERS)],
        "color": SERIES[place],
        "markerfacecolor": WHITE,
        "markeredgewidth": 0.8,
    }


def limit_style() -> dict[str, Any]:
    """Keywords of a line at a value that must not, or cannot, be passed."""
    return {"color": DARK, "linewidth": 1, "linestyle": (0, (1, 3))}


def shade(rank: int, of: int) -> str:
    """A grey behind black text, for the `rank`-th of so many: the last is the darkest."""
    level = round(255 * (0.88 - 0.22 * rank / max(1, of - 1)))
    return f"#{level:02x}{level:02x}{level:02x}"
