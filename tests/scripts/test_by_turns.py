from __future__ import annotations

import time
from pathlib import Path

import pytest

from scripts.benchmarking import by_turns
from scripts.benchmarking.by_turns import Peer, Stopwatch, take_turns

# Four mini-epochs of one image each, in 20 short sleeps.
PROGRAM = """
import json, time
started = []
for _ in range(4):
    started.append(time.time())
    for _ in range(5):
        time.sleep(0.02)
print(json.dumps({"mini_epochs": [{"worker": 0, "started": s, "samples": 1} for s in started]}))
"""


class TestStopwatch:
    def test_what_was_before_a_stop_stays(self):
        clock = Stopwatch()
        clock.go_on(1.0)
        clock.stop(10.0)
        clock.go_on(14.0)
        clock.stop(20.0)
        moments = (9.0, 10.0, 12.0, 14.0, 15.0, 20.0, 25.0)
        assert [clock.at(m) for m in moments] == [9.0, 10.0, 10.0, 10.0, 11.0, 16.0, 16.0]


class TestTurns:
    @pytest.fixture(autouse=True)
    def programs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        programs = {"first": PROGRAM, "second": PROGRAM, "failing": "raise SystemExit(3)"}
        for name, text in programs.items():
            (tmp_path / f"{name}.py").write_text(text)
            monkeypatch.setitem(by_turns.MODULES, name, name)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def test_time_in_which_the_other_ran_does_not_count(self) -> None:
        second = Peer("second", [])
        second.stop()
        first = Peer("first", [])
        begun = time.time()
        take_turns(first, second, 0.1)
        now = time.time()
        for peer in (first, second):
            assert peer.images_per_second() > 0
            assert not peer.runs
        ran = [peer.clock.at(now) - peer.clock.at(begun) for peer in (first, second)]
        # Of 0.4 s asleep, a stop takes one sleep of 0.02 s at most.
        assert min(ran) > 0.2
        # Each waited for a turn of the other, at least.
        assert max(ran) < now - begun - 0.1

    def test_one_that_fails_is_named(self) -> None:
        failing, first = Peer("failing", []), Peer("first", [])
        take_turns(failing, first, 0.1)
        assert first.images_per_second() > 0
        with pytest.raises(SystemExit, match="failing ended with status 3"):
            failing.images_per_second()
