"""Formats numbers for the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dbsl_tf.common.durations import duration_text
from dbsl_tf.config.merge_section import MergeSection
from dbsl_tf.reporting.comparison import Spread
from dbsl_tf.reporting.measures import Range


def number(value: float | None, digits: int = 3) -> str | None:
    """Formats a number with `digits` digits after the point; None stays None."""
    return None if value is None else f"{value:,.{digits}f}"


def percent(value: float | None) -> str | None:
    """Formats a fraction as a percentage."""
    return None if value is None else f"{100 * value:.2f} %"


def seconds(value: float | None) -> str | None:
    """Formats a duration, with minutes or hours if it is long."""
    return None if value is None else duration_text(value)


def mean_and_deviation(
    values: Spread | None, digits: int = 3, factor: float = 1.0, unit: str = ""
) -> str | None:
    """Formats a mean ± standard deviation, or the mean alone for a single value."""
    if values is None:
        return None
    text = f"{factor * values.mean:,.{digits}f}"
    if values.deviation is not None:
        text += f" ± {factor * values.deviation:,.{digits}f}"
    return text + unit


def median_and_range(values: Range | None, digits: int = 3, factor: float = 1.0) -> str | None:
    """Formats the median and, in parentheses, the tenth and ninetieth percentiles."""
    if values is None:
        return None
    median, low, high = (
        f"{factor * v:.{digits}f}" for v in (values.median, values.low, values.high)
    )
    return f"{median} ({low} to {high})"


def merge_in_words(config: Mapping[str, Any]) -> str | None:
    """Returns how a run merges, from its configuration by dotted key; None: it does not say."""
    rule = config.get("merge.rule")
    if not isinstance(rule, str):
        return None
    values = {name: config.get(f"merge.{name}") for name in MergeSection.model_fields}
    given = {name: value for name, value in values.items() if value is not None}
    workers, mode = config.get("cluster.workers"), config.get("sync.mode")
    in_rounds = mode == "bsp" or (mode == "ssp" and config.get("sync.staleness") == 0)
    try:
        return MergeSection(**given).in_words(int(workers or 1), in_rounds)
    except (ValueError, TypeError):
        # Of another version.
        return rule


def time_unit(seconds: float) -> tuple[float, str]:
    """Returns the seconds in a unit that suits a time span, and the unit's symbol."""
    if seconds > 3 * 3600:
        return 3600.0, "h"
    if seconds > 5 * 60:
        return 60.0, "min"
    return 1.0, "s"
