"""Files that are read without trust in them, and files that appear whole or not at all."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.files import (
    check_writable,
    open_regular,
    open_to_append,
    read_bytes,
    read_text,
    write_whole,
    write_whole_text,
)


def bind_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(path))


NO_FILES: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "socket": bind_socket,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": Path.mkdir,
}


@pytest.mark.parametrize("kind", NO_FILES)
class TestNoFile:
    """None of these is waited for or read on without end."""

    def test_reading(self, tmp_path: Path, monkeypatch, kind: str):
        monkeypatch.chdir(tmp_path)
        path = Path("file")
        NO_FILES[kind](path)
        for read in (open_regular, read_bytes, read_text):
            with pytest.raises(OSError, match=r"not a file|[Ii]s a dir|No such device"):
                read(path, 10)

    def test_writing(self, tmp_path: Path, monkeypatch, kind: str):
        monkeypatch.chdir(tmp_path)
        path = Path("file")
        NO_FILES[kind](path)
        with pytest.raises(OSError, match=r"not a file|[Ii]s a dir"):
            open_to_append(path)


def test_a_pipe_that_somebody_reads_from_is_no_file_either(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(OSError, match="not a file"):
        open_to_append(path)
    os.close(reader)


def test_a_file_is_read_up_to_its_largest_size(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a\r\nb\n")
    assert read_bytes(path, 5) == b"a\r\nb\n"
    assert read_text(path, 5) == "a\nb\n"
    with open_regular(path, 5) as file:
        assert file.read() == b"a\r\nb\n"
    for read in (open_regular, read_bytes, read_text):
        with pytest.raises(OSError, match="more than 4 bytes"):
            read(path, 4)


def test_files_of_the_system_that_do_not_tell_their_size_are_bounded_too() -> None:
    assert read_bytes("/proc/self/status", 1 << 20)
    with pytest.raises(OSError, match="more than 10 bytes"):
        read_bytes("/proc/self/status", 10)


def test_lines_are_added(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for _ in range(2):
        with open_to_append(path) as file:
            file.write("ä\n")
    assert path.read_text() == "ä\nä\n"
    assert path.stat().st_mode & 0o600 == 0o600


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
    with pytest.raises(UserError, match=f"^{re.escape(str(path))} cannot be written .*$"):
        write_whole_text(path, "")


def test_where_a_file_can_go_is_known_beforehand(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "profile.json")
    check_writable(Path("profile.json"))
    (tmp_path / "file").write_text("")
    check_writable(tmp_path / "file")
    for path in (tmp_path, tmp_path / "file" / "profile.json"):
        with pytest.raises(UserError, match="folder|cannot be written"):
            check_writable(path)
