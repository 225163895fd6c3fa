"""The files that figures are drawn to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.files import check_writable, write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".pdf", ".svg")


def literal(text: str) -> str:
    """Returns a text that matplotlib shows as it is: a $ begins no mathematics."""
    return text.replace("$", r"\$")


def check_figure_path(path: Path, option: str = "--plot") -> None:
    """Checks that a figure can be written to `path`, before anything long is begun.

    Args:
        path: where to.
        option: of the command line, which gave it.

    Raises:
        UserError: its name ends in no known format, or it cannot be written there.
    """
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"{option} is {path}; give a name that ends with {', '.join(FORMATS)}")
    check_writable(path)


def save_figure(figure: Figure, path: Path, option: str = "--plot", dots: int = 150) -> None:
    """Writes a figure in the format its name ends in; makes its folder.

    Args:
        figure: to write.
        path, option: as in `check_figure_path`.
        dots: an inch of a .png.

    Raises:
        UserError: as `check_figure_path`.
    """
    check_figure_path(path, option)
    write_whole(path, lambda partial: figure.savefig(partial, dpi=dots))
