"""Folders that appear whole or not at all."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import pytest

from dbsl_tf.common.atomic_folder import make_folder
from tests.support.patience import wait_until


def _fill_slowly(target: str, calls: str) -> None:
    def fill(folder: Path) -> None:
        with open(calls, "a") as file:
            file.write("called\n")
        for number in range(5):
            (folder / f"{number}.bin").write_bytes(b"content")
            time.sleep(0.1)

    make_folder(Path(target), fill)


def _fill_forever(target: str, started: str) -> None:
    def fill(folder: Path) -> None:
        (folder / "0.bin").write_bytes(b"half")
        Path(started).touch()
        signal.pause()

    make_folder(Path(target), fill)


class TestMakeFolder:
    @pytest.fixture(autouse=True)
    def _set_up(self, tmp_path):
        self.parent = tmp_path
        self.target = self.parent / "data"

    def names(self) -> list[str]:
        return sorted(path.name for path in self.parent.iterdir())

    def test_two_processes_make_it_once(self):
        context = multiprocessing.get_context("spawn")
        calls = self.parent / "calls"
        processes = [
            context.Process(target=_fill_slowly, args=(str(self.target), str(calls)))
            for _ in range(2)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0, 0]
        assert calls.read_text() == "called\n"
        assert len(list(self.target.iterdir())) == 5
        assert self.names() == ["calls", "data"]

    def test_killed_process_leaves_no_data(self):
        started = self.parent / "started"
        process = multiprocessing.get_context("spawn").Process(
            target=_fill_forever, args=(str(self.target), str(started))
        )
        process.start()
        wait_until(started.exists, 5)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert not self.target.exists()
        assert any(name.endswith(".partial") for name in self.names())

        make_folder(self.target, lambda folder: (folder / "0.bin").write_bytes(b"whole"))
        assert (self.target / "0.bin").read_bytes() == b"whole"
        assert self.names() == ["data", "started"]

    def test_who_waits_is_told_for_what(self, capsys):
        begun, may_end = threading.Event(), threading.Event()

        def fill(folder: Path) -> None:
            (folder / "0.bin").write_bytes(b"whole")
            begun.set()
            may_end.wait()

        def told() -> bool:
            heard.append(capsys.readouterr().err)
            return "".join(heard) == f"Waiting for another process that is creating {self.target}\n"

        heard = []
        with ThreadPoolExecutor(2) as threads:
            first = threads.submit(make_folder, self.target, fill)
            begun.wait()
            second = threads.submit(make_folder, self.target, fill)
            try:
                wait_until(told, 5)
            finally:
                may_end.set()
            first.result()
            second.result()
        assert self.names() == ["data"]

    @pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
    def test_it_appears_whole_on_a_file_system_without_locks(self, number):
        with mock.patch("fcntl.flock", side_effect=OSError(number, "no locks here")):
            make_folder(self.target, lambda folder: (folder / "0.bin").write_bytes(b"whole"))
        assert (self.target / "0.bin").read_bytes() == b"whole"
        assert self.names() == ["data"]

    def test_failure_leaves_nothing(self):
        def fill(folder: Path) -> None:
            (folder / "0.bin").write_bytes(b"half")
            raise OSError("no space left")

        with pytest.raises(OSError, match="no space left"):
            make_folder(self.target, fill)
        assert self.names() == []

    def test_after_failures_the_next_tries_one_at_a_time(self):
        events = []

        def fill(folder: Path) -> None:
            events.append("begins")
            time.sleep(0.01)
            events.append("ends")
            raise OSError("no space left")

        def try_often(_: int) -> None:
            for _ in range(5):
                with pytest.raises(OSError):
                    make_folder(self.target, fill)

        # Locks of one process are apart too when they are of files that were opened apart.
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(try_often, range(8)))
        assert events == ["begins", "ends"] * 40
        assert self.names() == []

    def test_existing_content_is_kept(self):
        self.target.mkdir()
        (self.target / "mine").touch()
        make_folder(self.target, lambda folder: pytest.fail("must not be called"))
        assert [path.name for path in self.target.iterdir()] == ["mine"]

    def test_folder_is_as_accessible_as_any_other(self):
        make_folder(self.target, lambda folder: None)
        (self.parent / "other").mkdir()
        assert self.target.stat().st_mode == (self.parent / "other").stat().st_mode
