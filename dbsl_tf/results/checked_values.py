"""Checks values read from the files of a run, which may have been damaged."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dbsl_tf.common.errors import UserError

# Far above float32; products of a few of these are still numbers.
_LARGEST = 1e60
# Up to this value, floating-point numbers represent all whole numbers.
_LARGEST_COUNT = 2**53


def finite_number(value: Any, name: str) -> float:
    """Returns `value` if it is a finite number; `name` is what messages call it.

    Raises:
        ValueError: it is not a number, not finite as a floating-point number, or far too large.
    """
    if not _is_finite(value):
        raise ValueError(f"{name} is {_short(value)}, not a finite number")
    if abs(value) > _LARGEST:
        raise ValueError(f"{name} is {_short(value)}, far too large")
    return value


def whole_number(value: Any, name: str) -> int:
    """Returns `value` if it is a whole number of at least 0; `name` is what messages call it.

    Raises:
        ValueError: it is not.
    """
    if not _is_finite(value) or value != int(value) or not 0 <= value <= _LARGEST_COUNT:
        raise ValueError(f"{name} is {_short(value)}, not a count")
    return int(value)


def event_number(event: Mapping[str, Any], key: str) -> float:
    """Returns a finite number of a line of history.jsonl; raises ValueError."""
    return finite_number(event.get(key), _of_event(event, key))


def event_count(event: Mapping[str, Any], key: str) -> int:
    """Returns a whole number of a line of history.jsonl; raises ValueError."""
    return whole_number(event.get(key), _of_event(event, key))


def check_known(
    values: Mapping[str, Any],
    counts: Iterable[str] = (),
    numbers: Iterable[str] = (),
    texts: Iterable[str] = (),
    of: str = "",
) -> None:
    """Checks the values of an object that are present and not null.

    Args:
        values: the object.
        counts: the keys whose values must be whole numbers of at least 0.
        numbers: the keys whose values must be finite numbers.
        texts: the keys whose values must be strings.
        of: text that follows a key in a message.

    Raises:
        ValueError: a value has the wrong type.
    """
    for check, keys in ((whole_number, counts), (finite_number, numbers), (_text, texts)):
        for key in keys:
            if values.get(key) is not None:
                check(values[key], f"{key}{of}")


def damaged(path: Path, reason: str) -> UserError:
    """Returns the error to raise for a file of a run that cannot be used."""
    return UserError(
        f"{path} cannot be read ({' '.join(reason.split())}); restore the file, or name another run"
    )


def _text(value: Any, name: str) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{name} is {_short(value)}, not text")


def _is_finite(value: Any) -> bool:
    try:
        return (
            isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        )
    except OverflowError:
        return False


def _of_event(event: Mapping[str, Any], key: str) -> str:
    return f"{key} of a line of kind {event['event']}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
