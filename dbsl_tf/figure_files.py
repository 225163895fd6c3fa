"""The files that `--plot` asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dbsl_tf.errors import UserError
from dbsl_tf.files import check_writable, write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".pdf", ".svg")


def check_figure_path(path: Path) -> None:
    """Checks that a figure can be written to `path`, before anything long is begun.

    Raises:
        UserError: its name ends in no known format, or it cannot be written there.
    """
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"--plot is {path}; give a name that ends with {', '.join(FORMATS)}")
    check_writable(path)


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a figure in the format its name ends in; makes its folder.

    Raises:
        UserError: as `check_figure_path`.
    """
    check_figure_path(path)
    write_whole(path, lambda partial: figure.savefig(partial, dpi=150))
