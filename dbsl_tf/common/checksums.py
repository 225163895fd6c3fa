"""Checksums in files that are read back: damage is found before their content is used.

A file written by an earlier version has none, and is accepted as it is.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Key of the checksum in a JSON object, and what precedes its digits at the end of other files.
KEY = "sha256"
_COMMENT = "# sha256 of the lines above: "
_MARK = b"\nsha256 "
_DIGITS = 64
_CHUNK = 1 << 20
_LINE = re.compile(r'(\{.*), "crc32": ([0-9]{1,10})\}')


class ChecksumMismatch(ValueError):
    """The content is not what was written: its checksum differs."""

    def __init__(self) -> None:
        super().__init__("its checksum is not that of its content")


def digest_of(content: Any) -> str:
    """Returns the SHA-256 of JSON values, in hexadecimal; their layout has no effect."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def with_checksum(content: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a JSON object with its checksum as the last key."""
    # As it is read back: keys are strings, tuples are lists.
    return {**content, KEY: digest_of(json.loads(json.dumps(content)))}


def verified(content: Any) -> Any:
    """Returns what was given to `with_checksum`; JSON values without a checksum as they are.

    Raises:
        ChecksumMismatch: the content does not match its checksum.
    """
    if not isinstance(content, dict) or KEY not in content:
        return content
    values = {key: value for key, value in content.items() if key != KEY}
    if content[KEY] != digest_of(values):
        raise ChecksumMismatch
    return values


def line_with_checksum(line: str) -> str:
    """Returns a JSON object in one line with its checksum (CRC-32) as the last key."""
    return f'{line[:-1]}, "crc32": {zlib.crc32(line.encode())}}}'


def verified_line(line: str) -> str:
    """Returns what was given to `line_with_checksum`; a line without a checksum as it is.

    Raises:
        ChecksumMismatch: the line does not match its checksum.
    """
    match = _LINE.fullmatch(line)
    if match is None:
        return line
    line = f"{match[1]}}}"
    if int(match[2]) != zlib.crc32(line.encode(errors="surrogateescape")):
        raise ChecksumMismatch
    return line


def text_with_checksum(text: str) -> str:
    """Returns lines followed by one with their checksum, which YAML takes for a comment."""
    return f"{text}{_COMMENT}{hashlib.sha256(text.encode()).hexdigest()}\n"


def is_verified_text(text: str) -> bool:
    """Returns whether lines match their checksum or have none; see `text_with_checksum`."""
    lines, comment, digest = text.rpartition(_COMMENT)
    return not comment or digest.strip() == hashlib.sha256(lines.encode()).hexdigest()


def add_archive_checksum(path: Path) -> None:
    """Adds the checksum of a whole zip file at its end, as the comment that zip files may have."""
    import zipfile

    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = _MARK + b"0" * _DIGITS
    with open(path, "rb+") as file:
        digest = _digest_but_the_end(file, path.stat().st_size)
        file.seek(-_DIGITS, 2)
        file.write(digest)


def verify_archive(file: Any, size: int) -> bool:
    """Verifies the checksum of a zip file.

    Args:
        file: the file, open for reading in binary mode.
        size: its size in bytes.

    Returns:
        Whether it has a checksum.

    Raises:
        ChecksumMismatch: the file does not match its checksum.
    """
    file.seek(max(0, size - _DIGITS - len(_MARK)))
    end = file.read()
    if not end.startswith(_MARK) or len(end) != len(_MARK) + _DIGITS:
        return False
    if end[len(_MARK) :] != _digest_but_the_end(file, size):
        raise ChecksumMismatch
    return True


def _digest_but_the_end(file: Any, size: int) -> bytes:
    digest, left = hashlib.sha256(), size - _DIGITS
    file.seek(0)
    while left > 0 and (chunk := file.read(min(left, _CHUNK))):
        digest.update(chunk)
        left -= len(chunk)
    return digest.hexdigest().encode()
