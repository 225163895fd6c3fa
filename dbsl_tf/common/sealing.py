"""Checksums in files that are read back: damage is noticed before anything in them is believed.

A file of an earlier version has none, and is taken for what it is.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# The key of a sealed JSON object, and what stands before the digits at the end of a sealed file.
KEY = "sha256"
_COMMENT = "# sha256 of the lines above: "
_MARK = b"\nsha256 "
_DIGITS = 64
_CHUNK = 1 << 20
_LINE = re.compile(r'(\{.*), "crc32": ([0-9]{1,10})\}')


class BrokenSeal(ValueError):
    """The content is not what was written."""

    def __init__(self) -> None:
        super().__init__("its checksum is not that of its content")


def digest_of(content: Any) -> str:
    """The checksum of JSON values, however they are laid out."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object with its checksum as the last key."""
    # As it is read back: keys are texts, tuples are lists.
    return {**content, KEY: digest_of(json.loads(json.dumps(content)))}


def unsealed(content: Any) -> Any:
    """What was given to `sealed`; JSON values without a checksum come back as they are.

    Raises:
        BrokenSeal: the checksum is another.
    """
    if not isinstance(content, dict) or KEY not in content:
        return content
    values = {key: value for key, value in content.items() if key != KEY}
    if content[KEY] != digest_of(values):
        raise BrokenSeal
    return values


def sealed_line(line: str) -> str:
    """A JSON object in one line with a checksum (CRC-32) of it as the last key."""
    return f'{line[:-1]}, "crc32": {zlib.crc32(line.encode())}}}'


def unsealed_line(line: str) -> str:
    """What was given to `sealed_line`; a line without a checksum comes back as it is.

    Raises:
        BrokenSeal: the checksum is another.
    """
    match = _LINE.fullmatch(line)
    if match is None:
        return line
    line = f"{match[1]}}}"
    if int(match[2]) != zlib.crc32(line.encode(errors="surrogateescape")):
        raise BrokenSeal
    return line


def sealed_text(text: str) -> str:
    """Lines with a last one, a comment in YAML, that has a checksum of the others."""
    return f"{text}{_COMMENT}{hashlib.sha256(text.encode()).hexdigest()}\n"


def is_as_written(text: str) -> bool:
    """Whether lines are what was given to `sealed_text`, or have no checksum."""
    lines, comment, digest = text.rpartition(_COMMENT)
    return not comment or digest.strip() == hashlib.sha256(lines.encode()).hexdigest()


def seal_archive(path: Path) -> None:
    """Puts a checksum of a whole zip file at its end, as the comment that such files may have."""
    import zipfile

    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = _MARK + b"0" * _DIGITS
    with open(path, "rb+") as file:
        digest = _digest_but_the_end(file, path.stat().st_size)
        file.seek(-_DIGITS, 2)
        file.write(digest)


def check_archive(file: Any, size: int) -> bool:
    """Checks the checksum of a zip file.

    Args:
        file: open for reading in binary.
        size: in bytes.

    Returns:
        Whether it has one.

    Raises:
        BrokenSeal: it is another.
    """
    file.seek(max(0, size - _DIGITS - len(_MARK)))
    end = file.read()
    if not end.startswith(_MARK) or len(end) != len(_MARK) + _DIGITS:
        return False
    if end[len(_MARK) :] != _digest_but_the_end(file, size):
        raise BrokenSeal
    return True


def _digest_but_the_end(file: Any, size: int) -> bytes:
    digest, left = hashlib.sha256(), size - _DIGITS
    file.seek(0)
    while left > 0 and (chunk := file.read(min(left, _CHUNK))):
        digest.update(chunk)
        left -= len(chunk)
    return digest.hexdigest().encode()
