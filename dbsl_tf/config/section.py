"""What all sections of the configuration have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """An immutable group of keys that refuses unknown keys and values of another type.

    An integer is taken where a number is asked for; text and booleans never are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def across_keys(keys: Sequence[str], value: Any, allowed: str) -> PydanticCustomError:
    """Returns the error of a value that is wrong only together with others.

    Args:
        keys: the dotted keys involved; the text is about the first.
        value: the value of the first.
        allowed: what to do.
    """
    context = {"keys": tuple(keys), "value": value, "allowed": allowed}
    return PydanticCustomError("across_keys", "{allowed}", context)
