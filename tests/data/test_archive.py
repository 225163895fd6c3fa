"""Taking files out of archives, honest and not."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import tracemalloc

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.data.archive import extract_members

WANTED = {"folder/a.bin": 4, "folder/b.bin": 4}


class TestExtractMembers:
    @pytest.fixture(autouse=True)
    def _set_up(self, tmp_path):
        self.folder = tmp_path
        self.archive = self.folder / "official.tar.gz"
        self.target = self.folder / "target"
        self.target.mkdir()

    def write(self, *members: tuple[str, bytes] | tarfile.TarInfo) -> None:
        with tarfile.open(self.archive, "w:gz") as tar:
            for member in members:
                if isinstance(member, tarfile.TarInfo):
                    tar.addfile(member)
                else:
                    info = tarfile.TarInfo(member[0])
                    info.size = len(member[1])
                    tar.addfile(info, io.BytesIO(member[1]))

    def assert_refused(self, pattern: str) -> None:
        with pytest.raises(UserError, match=pattern) as caught:
            extract_members(self.archive, WANTED, self.target)
        assert str(self.archive) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_takes_only_what_is_wanted(self):
        self.write(
            ("../outside.bin", b"evil"),
            ("/folder/a.bin", b"evil"),
            ("folder/../folder/a.bin", b"evil"),
            ("./folder/a.bin", b"aaaa"),
            ("folder/readme", b"text"),
            ("folder/b.bin", b"bb"),
        )
        extract_members(self.archive, WANTED, self.target)
        assert (self.target / "a.bin").read_bytes() == b"aaaa"
        assert (self.target / "b.bin").read_bytes() == b"bb"
        assert sorted(os.listdir(self.target)) == sorted(["a.bin", "b.bin"])
        assert sorted(os.listdir(self.folder)) == sorted(["official.tar.gz", "target"])

    def test_links_are_refused(self):
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            link = tarfile.TarInfo("folder/a.bin")
            link.type, link.linkname = kind, "/etc/passwd"
            self.write(link, ("folder/b.bin", b"bb"))
            self.assert_refused("folder/a.bin is not a regular file")
            assert os.listdir(self.target) == []

    def test_one_flipped_byte_is_noticed(self):
        with tarfile.open(self.archive, "w:gz", compresslevel=0) as tar:
            for name in WANTED:
                info = tarfile.TarInfo(name)
                info.size = 4
                tar.addfile(info, io.BytesIO(b"good"))
        content = self.archive.read_bytes()
        self.archive.write_bytes(content.replace(b"good", b"evil", 1))
        self.assert_refused("not a complete .tar.gz archive")

    def test_oversized_member(self):
        self.write(("folder/a.bin", b"aaaaa"), ("folder/b.bin", b"bb"))
        self.assert_refused("folder/a.bin has 5 bytes, expected at most 4")

    @pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE])
    def test_an_archive_that_unpacks_to_far_more(self, kind: bytes):
        """Neither in a file that is passed over nor in what tar keeps of names."""
        large = tarfile.TarInfo("folder/readme")
        large.type, large.size = kind, 1 << 28
        with gzip.open(self.archive, "wb", compresslevel=1) as packed:
            packed.write(large.tobuf())
            for _ in range(1 << 8):
                packed.write(bytes(1 << 20))
        tracemalloc.start()
        try:
            self.assert_refused("unpacks to more than 16,777,224 bytes")
            assert tracemalloc.get_traced_memory()[1] < 1 << 26
        finally:
            tracemalloc.stop()
        assert os.listdir(self.target) == []

    def test_what_is_no_file(self):
        os.mkfifo(self.archive)
        with pytest.raises(OSError, match="not a file"):
            extract_members(self.archive, WANTED, self.target)

    def test_missing_member(self):
        self.write(("folder/a.bin", b"aaaa"))
        self.assert_refused("holds no folder/b.bin")

    def test_truncated_anywhere(self):
        self.write(("folder/a.bin", os.urandom(4)), ("folder/b.bin", os.urandom(4)))
        content = self.archive.read_bytes()
        for length in range(0, len(content) - 40, 7):
            self.archive.write_bytes(content[:length])
            self.assert_refused("not a complete .tar.gz archive|holds no")

    def test_no_archive_at_all(self):
        self.archive.write_bytes(b"<html>404</html>")
        self.assert_refused("not a complete .tar.gz archive")
