"""Folders that appear whole or not at all."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dbsl_tf.common.atomic_folder import make_folder


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
        time.sleep(60)

    make_folder(Path(target), fill)


class MakeFolderTest(unittest.TestCase):
    def setUp(self):
        self.parent = Path(self.enterContext(tempfile.TemporaryDirectory()))
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
            process.join(30)
        self.assertEqual([process.exitcode for process in processes], [0, 0])
        self.assertEqual(calls.read_text(), "called\n")
        self.assertEqual(len(list(self.target.iterdir())), 5)
        self.assertEqual(self.names(), ["calls", "data"])

    def test_killed_process_leaves_no_data(self):
        started = self.parent / "started"
        process = multiprocessing.get_context("spawn").Process(
            target=_fill_forever, args=(str(self.target), str(started))
        )
        process.start()
        deadline = time.monotonic() + 30
        while not started.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        self.assertFalse(self.target.exists())
        self.assertTrue(any(name.endswith(".partial") for name in self.names()))

        make_folder(self.target, lambda folder: (folder / "0.bin").write_bytes(b"whole"))
        self.assertEqual((self.target / "0.bin").read_bytes(), b"whole")
        self.assertEqual(self.names(), ["data", "started"])

    def test_failure_leaves_nothing(self):
        def fill(folder: Path) -> None:
            (folder / "0.bin").write_bytes(b"half")
            raise OSError("no space left")

        with self.assertRaisesRegex(OSError, "no space left"):
            make_folder(self.target, fill)
        self.assertEqual(self.names(), [])

    def test_after_failures_the_next_tries_one_at_a_time(self):
        events = []

        def fill(folder: Path) -> None:
            events.append("begins")
            time.sleep(0.01)
            events.append("ends")
            raise OSError("no space left")

        def try_often(_: int) -> None:
            for _ in range(5):
                with self.assertRaises(OSError):
                    make_folder(self.target, fill)

        # Locks of one process are apart too when they are of files that were opened apart.
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(try_often, range(8)))
        self.assertEqual(events, ["begins", "ends"] * 40)
        self.assertEqual(self.names(), [])

    def test_existing_content_is_kept(self):
        self.target.mkdir()
        (self.target / "mine").touch()
        make_folder(self.target, lambda folder: self.fail("must not be called"))
        self.assertEqual([path.name for path in self.target.iterdir()], ["mine"])

    def test_folder_is_as_accessible_as_any_other(self):
        make_folder(self.target, lambda folder: None)
        (self.parent / "other").mkdir()
        self.assertEqual(self.target.stat().st_mode, (self.parent / "other").stat().st_mode)
