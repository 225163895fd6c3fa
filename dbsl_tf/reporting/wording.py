"""Numbers as the page writes them."""

from __future__ import annotations

from dbsl_tf.reporting.comparison import Spread
from dbsl_tf.reporting.measures import Range


def number(value: float | None, digits: int = 3) -> str | None:
    """With so many digits after the point; None stays None."""
    return None if value is None else f"{value:,.{digits}f}"


def percent(value: float | None) -> str | None:
    """A part of 1 in per cent."""
    return None if value is None else f"{100 * value:.2f} %"


def seconds(value: float | None) -> str | None:
    """A duration, with minutes or hours where it is long."""
    if value is None:
        return None
    if value < 300:
        return f"{value:.1f} s"
    whole = round(value)
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def mean_and_deviation(
    values: Spread | None, digits: int = 3, factor: float = 1.0, unit: str = ""
) -> str | None:
    """Mean ± standard deviation; the mean alone of a single value."""
    if values is None:
        return None
    text = f"{factor * values.mean:,.{digits}f}"
    if values.deviation is not None:
        text += f" ± {factor * values.deviation:,.{digits}f}"
    return text + unit


def median_and_range(values: Range | None, digits: int = 3, factor: float = 1.0) -> str | None:
    """Median, and between brackets the tenth and the ninetieth percentile."""
    if values is None:
        return None
    median, low, high = (
        f"{factor * v:.{digits}f}" for v in (values.median, values.low, values.high)
    )
    return f"{median} ({low} to {high})"
