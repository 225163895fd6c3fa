"""Sizes of memory as people write them."""

from __future__ import annotations

import re
from typing import Any

_UNITS = {
    "": 1,
    "B": 1,
    **{f"{prefix}B": 1000**power for power, prefix in enumerate("kMGT", 1)},
    **{f"{prefix}iB": 1024**power for power, prefix in enumerate("KMGT", 1)},
}
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([A-Za-z]*)")


def bytes_of(value: Any) -> Any:
    """Returns the bytes of a text such as 8GB (8 x 1000^3), 1.5 GiB or 512MiB (512 x 1024^2).

    Anything else comes back as it is. The case of the unit does not matter.
    """
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    units = {unit.lower(): factor for unit, factor in _UNITS.items()}
    if match is None or match[2].lower() not in units:
        return value
    return round(float(match[1]) * units[match[2].lower()])
