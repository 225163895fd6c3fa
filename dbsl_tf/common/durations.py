"""Time spans as people write and read them."""

from __future__ import annotations

import re

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_NUMBER = r"(\d+(?:\.\d+)?)"
_TEXT = re.compile(rf"(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s?)?", re.ASCII)


def parsed_duration(text: str) -> float | None:
    """Returns the seconds in a text such as 2h, 90m, 1h30m or 5400s; None if it is none.

    A number without a unit is seconds. Upper case and spaces are allowed.
    """
    match = _TEXT.fullmatch("".join(text.split()).lower())
    if match is None or not any(match.groups()):
        return None
    seconds = sum(
        float(value) * unit for value, unit in zip(match.groups(), _UNITS.values()) if value
    )
    return seconds if 0 < seconds < float("inf") else None


def duration_text(seconds: float) -> str:
    """Formats a time span, with minutes or hours if it is long."""
    if seconds < 300:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
