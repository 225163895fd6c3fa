"""Requests to stop a run, as who asks and who is asked see them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dbsl_tf.common import quiet
from dbsl_tf.common.errors import ClusterError, UserError
from dbsl_tf.operating import live_run, stopping
from dbsl_tf.operating.live_run import LiveRun
from dbsl_tf.operating.live_state import LiveState, read_live_state, write_live_state
from dbsl_tf.operating.stopping import ask_to_stop, going_on, take_request, wait_for_end
from dbsl_tf.results.run_directory import RunDirectory
from tests.operating.test_live_state import ELSEWHERE, GONE, OWN, state
from tests.support.patience import wait_until
from tests.support.run_directories import make_run


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_run, "INTERVAL", 0.01)
    monkeypatch.setattr(stopping, "_PERIOD", 0.01)


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path)
    directory.make()
    return directory


@pytest.fixture
def signals() -> Iterator[list[int]]:
    """What SIGTERM this process gets, which does not end it."""
    received: list[int] = []
    previous = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    yield received
    signal.signal(signal.SIGTERM, previous)


def wait_for_renewals(directory: RunDirectory) -> None:
    """Whatever was there before has been looked at."""
    for _ in range(2):
        before = read_live_state(directory)
        wait_until(lambda before=before: read_live_state(directory) != before, 1)


class TestRequest:
    def test_it_is_for_the_process_that_goes_on_alone(self, directory: RunDirectory) -> None:
        assert take_request(directory, OWN) is None
        ask_to_stop(directory, state(OWN))
        assert " on " in take_request(directory, OWN).by
        assert take_request(directory, OWN) is None
        ask_to_stop(directory, state(GONE))
        assert take_request(directory, OWN) is None
        assert not directory.stop_request.exists()

    def test_what_is_no_request_is_removed(self, directory: RunDirectory) -> None:
        for content in ("", "[]", '{"by": "me"}'):
            directory.stop_request.write_text(content)
            assert take_request(directory, OWN) is None
            assert not directory.stop_request.exists()

    def test_a_run_hears_it_once(self, directory: RunDirectory, signals: list[int]) -> None:
        """It raises what Ctrl-C raises; a second request does not end the saving."""
        lines: list[str] = []
        with LiveRun(directory, lines.append) as live:
            live.doing("training")
            ask_to_stop(directory, state(OWN))
            wait_until(lambda: signals, 1)
            ask_to_stop(directory, state(OWN))
            wait_for_renewals(directory)
            assert read_live_state(directory).phase == "stopping"
        assert signals == [signal.SIGTERM]
        (line,) = lines
        assert line.endswith(" has asked the run to stop")

    def test_it_is_told_even_while_output_is_held_back(
        self,
        directory: RunDirectory,
        signals: list[int],
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        """TensorFlow is loaded in the first seconds of a run, and its messages are dropped."""
        with LiveRun(directory, lambda line: os.write(1, line.encode())) as live:
            live.doing("waiting for the servers")
            with quiet._output_held_back():
                ask_to_stop(directory, state(OWN))
                wait_until(lambda: not directory.stop_request.exists(), 1)
            wait_until(lambda: signals, 1)
        assert " has asked the run to stop" in capfd.readouterr().out

    def test_a_run_that_ends_by_itself_does_not_hear_it(
        self, directory: RunDirectory, signals: list[int]
    ) -> None:
        with LiveRun(directory, pytest.fail) as live:
            live.doing("writing model.keras", at_the_end=True)
            ask_to_stop(directory, state(OWN))
            wait_for_renewals(directory)
        assert signals == []
        assert read_live_state(directory).outcome == "finished"
        assert not directory.stop_request.exists()


class TestWhetherItGoesOn:
    def test_it_does(self, directory: RunDirectory) -> None:
        for live in (state(), state(ELSEWHERE, age=30)):
            write_live_state(directory, live)
            assert going_on(directory) == live

    def test_it_has_ended(self, directory: RunDirectory, tmp_path: Path) -> None:
        for live in (state(GONE), state(outcome="interrupted"), state(outcome="failed")):
            write_live_state(directory, live)
            assert going_on(directory) is None
        finished = make_run(tmp_path / "finished")
        finished.model.touch()
        assert going_on(finished) is None

    def test_it_is_not_known(self, directory: RunDirectory) -> None:
        with pytest.raises(UserError, match="no live.json: nothing trains it, or an earlier"):
            going_on(directory)
        write_live_state(directory, state(ELSEWHERE, age=200))
        with pytest.raises(ClusterError, match="no sign of life for 200 s .* look for that"):
            going_on(directory)
        with pytest.raises(UserError, match="is not a run directory"):
            going_on(RunDirectory(directory.path / "none"))


class TestWaiting:
    @pytest.mark.parametrize("outcome", ["interrupted", "finished"])
    def test_it_ends_in_order(self, outcome: str, directory: RunDirectory) -> None:
        seen: list[str] = []
        ask_to_stop(directory, state())
        write_live_state(directory, state(phase="saving the weights"))
        ended = state(outcome=outcome, message="saved: resume with x")
        timer = threading.Timer(0.05, write_live_state, (directory, ended))
        timer.start()
        assert wait_for_end(directory, state(), seen.append) == ended
        timer.join()
        assert set(seen) == {f"saving the weights (process {OWN.number} on here)"}
        assert not directory.stop_request.exists()

    @pytest.mark.parametrize(
        ("last", "what"),
        [
            (state(GONE), "not going on: process"),
            (state(outcome="failed", message="disk full"), "failed: disk full"),
        ],
    )
    def test_it_ends_otherwise(self, last: LiveState, what: str, directory: RunDirectory) -> None:
        write_live_state(directory, last)
        with pytest.raises(ClusterError, match=what):
            wait_for_end(directory, last, pytest.fail)

    def test_it_had_not_begun_to_train(self, directory: RunDirectory) -> None:
        assert wait_for_end(directory, state(), pytest.fail) is None
        earlier, asked = replace(OWN, number=1), state()
        before = state(earlier, began=asked.began - 100, outcome="interrupted")
        write_live_state(directory, before)
        assert wait_for_end(directory, asked, pytest.fail) is None

    def test_it_was_resumed_at_once(self, directory: RunDirectory) -> None:
        """As by a supervisor: its end is no longer told, but it had begun."""
        asked = state(replace(OWN, number=1))
        resumed = state(began=asked.began + 5)
        write_live_state(directory, resumed)
        assert wait_for_end(directory, asked, pytest.fail) == resumed
