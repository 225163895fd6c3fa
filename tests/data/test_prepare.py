"""Bringing data sets to disk from every source."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import os
import subprocess
import sys
import tarfile
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pooch
import pytest
from rich.console import Console

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.progress import LateProgress
from dbsl_tf.config.catalogue import RecordDataset
from dbsl_tf.data.download import DownloadProgress
from dbsl_tf.data.prepare import prepare, prepare_dataset
from dbsl_tf.data.record_files import RecordData
from tests.data.small_data import small_spec, write_python_layout, write_record_files


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class PrepareCase:
    @pytest.fixture(autouse=True)
    def _set_up(self, tmp_path, capsys):
        self.directory = tmp_path
        self.spec = small_spec()
        self.told = lambda: capsys.readouterr().err

    def assert_content(self, data: RecordData, content: dict[str, np.ndarray]) -> None:
        for path in data.train_files + data.test_files:
            np.testing.assert_array_equal(
                np.fromfile(path, np.uint8), content[path.name].ravel(), path.name
            )

    def assert_refused(self, pattern: str, spec: RecordDataset, directory: Path) -> None:
        with pytest.raises(UserError, match=pattern) as caught:
            prepare_dataset(spec, directory)
        assert "\n" not in str(caught.value)

    def write_archive(self, folder_name: str, file_name: str) -> Path:
        path = self.directory / file_name
        with tarfile.open(path, "w:gz") as tar:
            tar.add(self.directory / folder_name, folder_name)
        return path


class TestSearch(PrepareCase):
    def test_official_folder_or_its_parent(self):
        folder = self.directory / self.spec.folder
        content = write_record_files(self.spec, folder)
        self.assert_content(prepare_dataset(self.spec, self.directory), content)
        self.assert_content(prepare_dataset(self.spec, folder), content)
        assert os.listdir(self.directory) == [self.spec.folder]

    def test_record_files_in_a_folder_of_another_name(self):
        content = write_record_files(self.spec, self.directory)
        self.assert_content(prepare_dataset(self.spec, self.directory), content)

    def test_pickled_layout_is_converted_once(self):
        content = write_python_layout(self.spec, self.directory / "cifar-10-batches-py")
        self.assert_content(prepare_dataset(self.spec, self.directory), content)
        assert "Converting" in self.told()
        self.assert_content(prepare_dataset(self.spec, self.directory), content)
        assert self.told() == ""

    def test_inside_the_pickled_layout(self):
        folder = self.directory / "cifar-10-batches-py"
        content = write_python_layout(self.spec, folder)
        for _ in range(2):
            self.assert_content(prepare_dataset(self.spec, folder), content)

    def test_archive_of_records(self):
        content = write_record_files(self.spec, self.directory / self.spec.folder)
        self.write_archive(self.spec.folder, "cifar-10-binary.tar.gz")
        os.rename(self.directory / self.spec.folder, self.directory / "elsewhere")
        data = prepare_dataset(self.spec, self.directory)
        self.assert_content(data, content)
        assert sorted(os.listdir(data.train_files[0].parent)) == sorted(content)

    def test_archive_of_pickles(self):
        spec = small_spec("cifar100")
        content = write_python_layout(spec, self.directory / "cifar-100-python")
        self.write_archive("cifar-100-python", "cifar-100-python.tar.gz")
        os.rename(self.directory / "cifar-100-python", self.directory / "elsewhere")
        data = prepare_dataset(spec, self.directory)
        self.assert_content(data, content)
        assert sorted(os.listdir(data.train_files[0].parent)) == sorted(content)

    def test_digits(self):
        data = prepare("digits", self.directory / "new" / "folder")
        assert data.train_files[0].stat().st_size == 1437 * 3073
        written = data.train_files[0].stat().st_mtime_ns
        again = prepare("digits", self.directory / "new" / "folder")
        assert again.train_files[0].stat().st_mtime_ns == written

    def test_digits_beside_files_of_the_same_name(self):
        spec = small_spec("cifar100")
        folder = self.directory / spec.folder
        content = write_record_files(spec, folder)
        data = prepare("digits", folder)
        assert data.train_files[0].parent == folder / "digits-bin"
        self.assert_content(prepare_dataset(spec, folder), content)

    def test_import_loads_no_tensorflow(self):
        code = "import sys, dbsl_tf.data.prepare; print('tensorflow' in sys.modules)"
        result = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert result.stdout.strip() == "False"


class TestRefusal(PrepareCase):
    def test_incomplete_folder_is_not_completed_silently(self):
        write_record_files(self.spec, self.directory / self.spec.folder)
        (self.directory / self.spec.folder / "data_batch_4.bin").unlink()
        self.assert_refused("data_batch_4.bin: No such file", self.spec, self.directory)

    def test_refused_pickle_leaves_nothing_behind(self):
        write_python_layout(self.spec, self.directory / "cifar-10-batches-py")
        (self.directory / "cifar-10-batches-py" / "test_batch").write_bytes(b"cos\nsystem\n.")
        self.assert_refused("test_batch.*os.system", self.spec, self.directory)
        assert not (self.directory / self.spec.folder).exists()

    def test_incomplete_archive(self):
        write_record_files(self.spec, self.directory / self.spec.folder)
        (self.directory / self.spec.folder / "data_batch_4.bin").unlink()
        self.write_archive(self.spec.folder, "cifar-10-binary.tar.gz")
        os.rename(self.directory / self.spec.folder, self.directory / "elsewhere")
        self.assert_refused(
            "cifar-10-binary.tar.gz: holds no cifar-10-batches-bin/data_batch_4.bin",
            self.spec,
            self.directory,
        )

    def test_directory_is_a_file(self):
        path = self.directory / "file"
        path.touch()
        self.assert_refused("data.dir is .*file, which is not a folder", self.spec, path)
        self.assert_refused(
            "data.dir is .*digits cannot be prepared there.*Not a directory",
            small_spec("digits"),
            path / "below",
        )


class TestDownload(PrepareCase):
    @pytest.fixture(autouse=True)
    def _set_up_more(self, _set_up):
        self.content = write_record_files(self.spec, self.directory / self.spec.folder)
        self.archive = self.write_archive(self.spec.folder, "cifar-10-binary.tar.gz")
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(_QuietHandler, directory=self.directory)
        )
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        self.url = f"http://127.0.0.1:{server.server_address[1]}/"
        self.target = self.directory / "target"
        self.stop_server = stop
        yield
        stop()

    def published(self, md5: str | None = None) -> RecordDataset:
        if md5 is None:
            md5 = hashlib.md5(self.archive.read_bytes()).hexdigest()
        return replace(self.spec, archive=replace(self.spec.archive, md5=md5, base_url=self.url))

    def test_absent_data_is_downloaded(self):
        data = prepare_dataset(self.published(), self.target)
        self.assert_content(data, self.content)
        assert sorted(os.listdir(data.train_files[0].parent)) == sorted(self.content)
        assert f"Downloading {self.url}" in self.told()

    def test_its_progress(self):
        console = Console(file=io.StringIO(), force_terminal=True, width=100)
        with LateProgress("bytes", console=console, patience=0) as progress:
            downloader = pooch.HTTPDownloader(progressbar=DownloadProgress(progress))
            downloader(self.url + self.archive.name, self.directory / "copy", None)
        assert (self.directory / "copy").read_bytes() == self.archive.read_bytes()
        assert "downloading" in console.file.getvalue() and "100%" in console.file.getvalue()

    def test_wrong_checksum(self):
        self.assert_refused(
            "download failed.*hash.*put cifar-10-binary.tar.gz from http.* in .*target",
            self.published("0" * 32),
            self.target,
        )
        assert os.listdir(self.target) == []

    def test_not_found(self):
        self.archive.rename(self.directory / "renamed")
        self.assert_refused("download failed.*404", self.published("0" * 32), self.target)

    def test_no_network(self):
        self.stop_server()
        self.assert_refused(
            "no cifar10 there, and the download failed .no connection to http.*"
            "put cifar-10-binary.tar.gz",
            self.published(),
            self.target,
        )
        assert not (self.target / self.spec.folder).exists()
