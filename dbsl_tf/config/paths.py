"""Paths in a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError


def _usable_path(path: Path) -> Path:
    if "\0" in str(path):
        raise PydanticCustomError(
            "not_allowed", "{allowed}", {"allowed": "give a path without NUL"}
        )
    try:
        return path.expanduser()
    except RuntimeError:  # "~name" of a user this machine does not know
        return path


UsablePath = Annotated[Path, Field(strict=False), AfterValidator(_usable_path)]
