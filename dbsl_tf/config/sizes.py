"""Sizes of memory as people write them."""

from __future__ import annotations

from pydantic import ByteSize


class Bytes(ByteSize):
    """A whole number, or a text such as 8GB (8 x 1000^3), 1.5 GiB or 512MiB in any case.

    Any other text is refused, because ByteSize would take 1,5GB for one byte.
    """

    byte_string_pattern = ByteSize.byte_string_pattern + r"\s*$"
