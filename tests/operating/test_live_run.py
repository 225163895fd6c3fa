"""What becomes of live.json while a run goes on, and at its end."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from dbsl_tf.operating import live_run
from dbsl_tf.operating.live_run import LiveRun
from dbsl_tf.operating.live_state import LiveState, read_live_state, write_live_state
from dbsl_tf.operating.metrics import Metrics, listen
from dbsl_tf.results.run_directory import RunDirectory
from dbsl_tf.results.worker_state import WorkerState
from tests.operating.test_live_state import GONE, state
from tests.support.patience import wait_until


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_run, "INTERVAL", 0.01)


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path)


def never(line: str) -> None:
    pytest.fail(f"reported: {line}")


def shown(directory: RunDirectory) -> LiveState:
    found = read_live_state(directory)
    assert found is not None
    return found


def test_it_is_renewed_and_says_what_the_run_is_at(directory: RunDirectory) -> None:
    with listen("127.0.0.1", 0, {}) as listening:
        metrics = Metrics(listening)
        metrics.close()
    with LiveRun(directory, never, metrics=metrics) as live:
        wait_until(directory.live.exists, 1)
        first = shown(directory)
        assert (first.phase, first.workers) == ("preparing the run", ())
        live.doing("training", lambda: [WorkerState(0), WorkerState(1, "its port is closed")])
        wait_until(lambda: shown(directory).phase == "training", 1)
        second = shown(directory)
        assert second.condition == "running"
        assert [worker.absent for worker in second.workers] == [None, "its port is closed"]
        assert second.renewed > first.renewed
        assert second.metrics == metrics.url
    last = shown(directory)
    assert (last.condition, last.workers, last.metrics) == ("finished", (), None)


@pytest.mark.parametrize(
    ("error", "told", "condition", "message"),
    [
        (KeyboardInterrupt(), "saved", "interrupted", "saved"),
        (KeyboardInterrupt(), None, "interrupted", ""),
        (ValueError("the disk is full"), None, "failed", "the disk is full"),
    ],
)
def test_how_it_ended(
    error: BaseException, told: str | None, condition: str, message: str, directory: RunDirectory
) -> None:
    with pytest.raises(type(error)), LiveRun(directory, never) as live:
        live.doing("training")
        if told:
            live.tell(told)
        raise error
    assert (shown(directory).condition, shown(directory).message) == (condition, message)


def test_a_run_that_this_process_begins_again_has_not_ended(directory: RunDirectory) -> None:
    live = LiveRun(directory, never, lambda error: isinstance(error, ValueError))
    with pytest.raises(ValueError), live:
        live.doing("training")
        raise ValueError("ps-0 is lost")
    assert shown(directory).condition == "running"
    assert shown(directory).phase == "beginning again: ps-0 is lost"


@pytest.mark.parametrize("before", [None, b"of an earlier run"])
def test_a_run_that_cannot_begin_leaves_what_was_there(
    before: bytes | None, directory: RunDirectory
) -> None:
    def content() -> bytes | None:
        return directory.live.read_bytes() if directory.live.exists() else None

    if before:
        directory.live.write_bytes(before)
    with pytest.raises(ValueError), LiveRun(directory, never):
        wait_until(lambda: content() != before, 1)
        raise ValueError
    assert content() == before


def test_what_a_crash_left_is_removed(directory: RunDirectory) -> None:
    left = [directory.path / ".123.live.json", directory.path / ".123.stop.json"]
    for file in left:
        file.touch()
    assert not directory.resumes("auto")  # It may be used for a new run.
    with LiveRun(directory, never):
        pass
    assert not any(file.exists() for file in left)


def test_the_process_that_took_the_run_over_has_the_last_word(directory: RunDirectory) -> None:
    live = LiveRun(directory, never)
    with live:
        live.doing("writing model.keras")
        live._closing.set()
        live._thread.join()
        other = state(GONE, began=time.time() + 1)
        write_live_state(directory, other)
    assert shown(directory) == other


def test_a_file_that_cannot_be_written_is_told_once(directory: RunDirectory) -> None:
    directory.live.mkdir()
    lines: list[str] = []
    with LiveRun(directory, lines.append) as live:
        live.doing("training")
        wait_until(lambda: lines, 1)
    (line,) = lines
    assert line.startswith(f"warning: {directory.live} cannot be written")


def test_a_folder_that_was_removed_does_not_come_back(directory: RunDirectory) -> None:
    lines: list[str] = []
    with LiveRun(directory, lines.append) as live:
        live.doing("training")
        wait_until(directory.live.exists, 1)
        directory.path.rename(directory.path.with_name("elsewhere"))
        wait_until(lambda: lines, 1)
    assert not directory.path.exists()
