"""Text from file names and messages, with what cannot be seen shown as escapes."""

from __future__ import annotations


def visible(text: str) -> str:
    r"""Returns text in one line, in which whatever would not be seen is an escape.

    Newlines become spaces. Control characters, unusual spaces and zero-width characters become
    Python escapes.

    Example:
        >>> visible("two\nlines, ant\r, no\u00a0break")
        'two lines, ant\\r, no\\xa0break'
    """
    return "".join(
        character
        if character.isprintable()
        else " "
        if character == "\n"
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )
