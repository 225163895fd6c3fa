"""Where figures can be written, and that they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.figure_files import check_figure_path, save_figure

pytest.importorskip("matplotlib")


@pytest.mark.parametrize(
    ("suffix", "beginning"),
    [(".png", b"\x89PNG"), (".PNG", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")],
)
def test_the_name_chooses_the_format(tmp_path: Path, suffix: str, beginning: bytes) -> None:
    from matplotlib.figure import Figure

    path = tmp_path / "new" / f"figure{suffix}"
    save_figure(Figure(), path)
    assert path.read_bytes().startswith(beginning)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("figure.gif", "--plot is .*figure.gif; give a name that ends with .png, .pdf, .svg"),
        ("figure", "--plot is"),
        ("folder.png", "is a folder"),
        ("file/figure.png", "cannot be written"),
    ],
)
def test_a_path_that_cannot_be_drawn_to(tmp_path: Path, name: str, expected: str) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=expected):
        check_figure_path(tmp_path / name)
