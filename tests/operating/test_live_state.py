"""What live.json says, and when it is not believed."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.operating import live_state
from dbsl_tf.operating.live_state import LiveState, read_live_state, write_live_state
from dbsl_tf.operating.processes import ProcessIdentity, _stat
from dbsl_tf.results.run_directory import RunDirectory
from dbsl_tf.results.worker_state import WorkerState

OWN = ProcessIdentity.own()
ELSEWHERE = replace(OWN, system="another machine")
GONE = replace(OWN, started=OWN.started - 1)


def state(process: ProcessIdentity = OWN, age: float = 0.0, **changes: object) -> LiveState:
    now = time.time()
    values = dict(host="here", process=process, began=now - 100, renewed=now - age)
    return LiveState(**{**values, "phase": "training", **changes})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    assert read_live_state(directory) is None
    workers = (WorkerState(0), WorkerState(1, "its port is closed"), WorkerState(2, None, 1.5))
    written = state(workers=workers, metrics="http://127.0.0.1:9100/metrics")
    write_live_state(directory, written)
    assert read_live_state(directory) == written
    assert list(tmp_path.iterdir()) == [directory.live]


@pytest.mark.parametrize(
    ("process", "age", "changes", "condition"),
    [
        (OWN, 0, {}, "running"),
        (OWN, 10_000, {}, "running"),  # It is seen to run.
        (GONE, 0, {}, "gone"),
        (ELSEWHERE, 60, {}, "running"),
        (ELSEWHERE, 100, {}, "silent"),
        (ELSEWHERE, 100, {"interval": 5.0}, "running"),
        (GONE, 0, {"outcome": "finished"}, "finished"),
        (ELSEWHERE, 10_000, {"outcome": "interrupted"}, "interrupted"),
    ],
)
def test_a_run_goes_on_only_as_long_as_its_process(
    process: ProcessIdentity, age: float, changes: dict[str, Any], condition: str
) -> None:
    assert state(process, age, **changes).condition == condition


def test_what_is_seen_of_a_process_is_of_the_moment_of_reading(tmp_path: Path) -> None:
    """Else a run that ends in order while its history is read would seem to have crashed."""
    directory = RunDirectory(tmp_path)
    with subprocess.Popen(["sleep", "60"]) as process:
        running = state(replace(OWN, number=process.pid, started=_stat(process.pid)[1]))
        write_live_state(directory, running)
        read = read_live_state(directory)
        process.kill()
    assert read is not None
    assert (read.condition, read.words.split(" (")[0]) == ("running", "training")
    assert read_live_state(directory).condition == "gone"


def test_an_end_told_just_before_the_process_is_gone_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = RunDirectory(tmp_path)
    write_live_state(directory, state(GONE))
    reading = live_state.read_object

    def reads_before_it_ends(*arguments: Any) -> dict[str, Any]:
        content = reading(*arguments)
        write_live_state(directory, state(GONE, outcome="finished"))
        return content

    monkeypatch.setattr(live_state, "read_object", reads_before_it_ends)
    assert read_live_state(directory).condition == "finished"


def test_a_clock_that_is_ahead_does_not_count() -> None:
    assert state(ELSEWHERE, age=-50).age == 0


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("", "Expecting value"),
        ("[]", "not hold a JSON object"),
        (json.dumps({"format": 2}), "format: Input should be 1"),
        (json.dumps({**state().model_dump(), "renewed": "soon"}), "renewed: Input should be a"),
        (json.dumps({**state().model_dump(), "process": 7}), "process: "),
        (json.dumps({**state().model_dump(), "sha256": "0"}), "checksum"),
    ],
)
def test_damage_is_one_line(content: str, what: str, tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    directory.live.write_text(content)
    with pytest.raises(UserError, match=f"live.json cannot be read .*{what}") as error:
        read_live_state(directory)
    assert "\n" not in str(error.value)
