"""What is of Keras 3 or keras-core, without importing either."""

from __future__ import annotations

from typing import Any


def has_base(value: Any, name: str) -> bool:
    """Whether `value` is, or is an object of, a class that comes from Keras's class `name`.

    Example:
        >>> has_base(3, "Loss")
        False
    """
    kind = value if isinstance(value, type) else type(value)
    return any(
        base.__name__ == name and base.__module__.startswith(("keras.", "keras_core."))
        for base in kind.__mro__
    )
