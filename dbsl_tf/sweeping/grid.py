"""The points of a grid of configuration values."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from dbsl_tf.common.errors import UserError
from dbsl_tf.config.keys import tagged
from dbsl_tf.config.moved_keys import present_key
from dbsl_tf.config.tags import SetBySweep

_OPENING, _CLOSING = "[{(", "]})"
_UNUSUAL = re.compile(r"[^A-Za-z0-9.+-]+")


@dataclass(frozen=True)
class Axis:
    """A key of the configuration and the values it takes, as text in YAML."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Point:
    """A value for each axis, by key, in the order of the axes."""

    values: tuple[tuple[str, str], ...]

    @property
    def overrides(self) -> list[str]:
        """The point as arguments of dbsl_tf.train."""
        return [f"{key}={value}" for key, value in self.values]

    @property
    def name(self) -> str:
        """A name for its folder; it depends only on this point, so that a sweep can be extended."""
        ends = [key.rpartition(".")[2] for key, _ in self.values]
        parts = [
            f"{end if ends.count(end) == 1 else key}={_plain(value)}"
            for end, (key, value) in zip(ends, self.values)
        ]
        return ",".join(parts) or "configuration"


def check_overrides(overrides: Sequence[str]) -> None:
    """Checks that no override is of a key that the sweep sets; the first seed may be given.

    Raises:
        UserError: there is such an override.
    """
    taken = tagged(SetBySweep)
    for key in (override.partition("=")[0].strip() for override in overrides):
        if key in taken and not taken[key].first:
            raise UserError(f"override: {key} is set by the sweep; {taken[key].instead}")


def parse_axes(texts: Sequence[str], overrides: Sequence[str] = ()) -> tuple[Axis, ...]:
    """Parses the axes of a grid, each `key=value,value,...`; commas in brackets do not separate.

    Args:
        texts: the axes.
        overrides: `key=value` for all points; none of them may be an axis.

    Raises:
        UserError: an axis has the wrong form, is given twice, or is a key that is set elsewhere.
    """
    fixed = {present_key(override.partition("=")[0].strip()) for override in overrides}
    taken = tagged(SetBySweep)
    axes: dict[str, Axis] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        key = key.strip()
        if not equals:
            raise UserError(f"--grid: {text!r} has no '='; write it as section.key=value,value")
        if key in taken:
            raise UserError(f"--grid: {key} is set by the sweep; {taken[key].instead}")
        if present_key(key) in {*map(present_key, axes), *fixed}:
            raise UserError(f"--grid: {key} is given twice; give all its values in one place")
        parts = tuple(part.strip() for part in _split(values))
        if "" in parts:
            raise UserError(f"--grid: {text!r} has an empty value; write null for none")
        if len(set(parts)) < len(parts):
            raise UserError(f"--grid: {text!r} has the same value twice; leave one out")
        axes[key] = Axis(key, parts)
    return tuple(axes.values())


def points(axes: Sequence[Axis]) -> list[Point]:
    """Returns every combination of values; the last axis changes fastest."""
    return [
        Point(tuple(zip((axis.key for axis in axes), values, strict=True)))
        for values in product(*(axis.values for axis in axes))
    ]


def _split(text: str) -> list[str]:
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth -= 1
        if character == "," and depth <= 0 and not quote:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _plain(value: str) -> str:
    """Returns a value in a form suitable for a folder name, and still unique."""
    plain = _UNUSUAL.sub("_", value)
    if plain == value and len(value) <= 40:
        return value
    return f"{plain[:30]}-{hashlib.sha256(value.encode()).hexdigest()[:6]}"
