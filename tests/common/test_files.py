"""Files that appear whole or not at all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.files import check_writable, write_whole, write_whole_text


def test_a_file_and_its_folder_are_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    write_whole_text(path, "grün\n")
    assert path.read_bytes() == "grün\n".encode()
    assert list(path.parent.iterdir()) == [path]


def test_the_file_that_was_there_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_whole_text(path, "old")

    def write(partial: Path) -> None:
        partial.write_text("half")
        assert path.read_text() == "old"
        assert (partial.parent, partial.suffix) == (path.parent, path.suffix)
        partial.write_text("new")

    write_whole(path, write)
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("a bug")])
def test_a_failure_leaves_what_was_there(tmp_path: Path, error: Exception) -> None:
    path = tmp_path / "file.txt"
    write_whole_text(path, "old")

    def write(partial: Path) -> None:
        partial.write_text("half")
        raise error

    expected = UserError if isinstance(error, OSError) else ValueError
    with pytest.raises(expected):
        write_whole(path, write)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "inside"
    with pytest.raises(UserError, match=f"^{re.escape(str(path))}: cannot be written .*$"):
        write_whole_text(path, "")


def test_where_a_file_can_go_is_known_beforehand(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "profile.json")
    check_writable(Path("profile.json"))
    (tmp_path / "file").write_text("")
    check_writable(tmp_path / "file")
    for path in (tmp_path, tmp_path / "file" / "profile.json"):
        with pytest.raises(UserError, match="folder|cannot be written"):
            check_writable(path)
