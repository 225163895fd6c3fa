"""The base class of all sections of the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """An immutable group of keys that refuses unknown keys and values of another type.

    An integer is accepted as a number; text and booleans never are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def across_keys(keys: Sequence[str], value: Any, allowed: str) -> PydanticCustomError:
    """Returns the error for a value that is wrong only in combination with others.

    Args:
        keys: the dotted keys involved; the message is about the first.
        value: the value of the first.
        allowed: what to do.
    """
    context = {"keys": tuple(keys), "value": value, "allowed": allowed}
    return PydanticCustomError("across_keys", "{allowed}", context)
