"""Writes figures to files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.files import check_writable, write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".pdf", ".svg")


def literal(text: str) -> str:
    """Returns `text` escaped so that matplotlib shows it unchanged, without mathematics after $."""
    return text.replace("$", r"\$")


def check_figure_path(path: Path, option: str = "--plot", also: Sequence[str] = ()) -> None:
    """Checks that a figure can be written to `path`, before a long computation begins.

    Args:
        path: the file to check.
        option: the command-line option that gave it.
        also: suffixes that are allowed beside those of figures.

    Raises:
        UserError: its suffix is not that of a known format, or it cannot be written.
    """
    formats = (*FORMATS, *also)
    if path.suffix.lower() not in formats:
        raise UserError(f"{option} is {path}; give a name that ends with {', '.join(formats)}")
    check_writable(path)


def save_figure(figure: Figure, path: Path, option: str = "--plot", dots: int = 150) -> None:
    """Writes a figure in the format that the suffix of `path` names; makes its folder.

    Args:
        figure: the figure to write.
        path, option: as for `check_figure_path`.
        dots: dots per inch of a .png.

    Raises:
        UserError: as for `check_figure_path`.
    """
    check_figure_path(path, option)
    write_whole(path, lambda partial: figure.savefig(partial, dpi=dots))
