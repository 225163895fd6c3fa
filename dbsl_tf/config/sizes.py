"""Sizes of memory as people write them."""

from __future__ import annotations

from typing import Annotated

from pydantic import ByteSize, Field


class _WholeByteSize(ByteSize):
    """Refuses a text that is more than a number and a unit: ByteSize takes 1,5GB for one byte."""

    byte_string_pattern = ByteSize.byte_string_pattern + r"\s*$"


# A whole number, or a text such as 8GB (8 x 1000^3), 1.5 GiB or 512MiB in any case.
Bytes = Annotated[_WholeByteSize, Field(gt=0)]
