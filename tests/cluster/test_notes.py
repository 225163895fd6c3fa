"""Notes between a server that is asked to end and the coordinator, on both sides."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbsl_tf.cluster.connecting import wait_for_servers
from dbsl_tf.cluster.local import LocalCluster
from dbsl_tf.cluster.note_exchange import NoteExchange, ServerGone
from dbsl_tf.cluster.notes import GO, LEAVING, ORDER, SERVING, STATE, Notes, stay_order
from tests.support.patience import at_most, wait_until

LONG = 1e6  # seconds


@pytest.fixture
def notes() -> Iterator[Notes]:
    if not sys.platform.startswith("linux"):
        pytest.skip("there are such notes on Linux only")
    yield Notes()
    for path in (STATE, ORDER):
        os.close(int(path.rpartition("/")[2]))


def order(text: bytes) -> None:
    """Write an order as WriteFile does."""
    Path(ORDER).write_bytes(text)


class TestNotes:
    def test_a_server_that_nobody_attends_ends_when_it_is_asked_to(self, notes: Notes) -> None:
        assert not notes.may_end()
        notes.ask()
        assert notes.may_end()

    def test_one_that_is_attended_stays_until_it_may_go(self, notes: Notes) -> None:
        order(stay_order(1, LONG))
        assert not notes.may_end()
        assert Path(STATE).read_bytes() == SERVING
        notes.ask()
        assert Path(STATE).read_bytes() == LEAVING
        assert not notes.may_end()
        order(b"")  # It is being written.
        assert not notes.may_end()
        order(GO)
        assert notes.may_end()

    def test_one_that_was_let_go_before_does_not_stay(self, notes: Notes) -> None:
        order(stay_order(1, LONG))
        assert not notes.may_end()
        order(GO)
        assert not notes.may_end()
        notes.ask()
        assert notes.may_end()

    def test_it_stays_no_longer_than_granted(self, notes: Notes) -> None:
        order(stay_order(1, 0.2))
        notes.ask()
        assert not notes.may_end()
        wait_until(notes.may_end, 0.2)

    def test_it_does_not_stay_when_the_coordinator_falls_silent(self, notes: Notes) -> None:
        order(stay_order(1, LONG))
        notes.ask()
        assert not notes.may_end()
        wait_until(notes.may_end, 5)

    def test_asked_again_it_ends_at_once(self, notes: Notes) -> None:
        numbers = iter(range(10**6))
        order(stay_order(next(numbers), LONG))
        notes.ask()
        notes.ask()  # The same request.
        assert not notes.may_end()

        def asked_again() -> bool:
            order(stay_order(next(numbers), LONG))
            notes.ask()
            return notes.may_end()

        wait_until(asked_again, 1)

    def test_other_files_keep_their_numbers(self) -> None:
        """Whatever has such a number already is left alone, and SIGTERM ends the server at once."""
        program = """
import os
from dbsl_tf.cluster.notes import *
reading, _ = os.pipe()
os.dup2(reading, 250)
notes = Notes()
assert os.path.samestat(os.fstat(reading), os.fstat(250))
assert not os.path.exists(ORDER)
notes.ask()
assert notes.may_end()
"""
        subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.cluster
class TestExchange:
    def test_a_server_leaves_when_it_is_let_go(self, tmp_path: Path) -> None:
        with LocalCluster(workers=1, parameter_servers=1, log_directory=tmp_path) as cluster:
            wait_for_servers(cluster.task, at_most(10))
            parameter_server, worker = (
                NoteExchange(server.address, server.role, server.index, at_most(1))
                for server in cluster.addresses.servers()
            )
            assert worker.exchange(stay_order(1, LONG)) == SERVING
            assert parameter_server.exchange(GO) == SERVING
            process = cluster.processes["worker-0"]
            process.send_signal(signal.SIGTERM)
            numbers = iter(range(2, 10**6))

            def note() -> bytes | None:
                return worker.exchange(stay_order(next(numbers), LONG))

            wait_until(lambda: note() == LEAVING, 1)
            assert (note(), process.poll()) == (LEAVING, None)
            worker.exchange(GO)
            assert process.wait(at_most(1)) == 0
            with pytest.raises(ServerGone):
                note()
            # The other one was let go before.
            process = cluster.processes["ps-0"]
            process.send_signal(signal.SIGTERM)
            assert process.wait(at_most(1)) == 0
            assert "ps-0 has left as it was asked to, by SIGTERM" in cluster.dead()["ps-0"]
        log = (tmp_path / "worker-0.log").read_text()
        assert log.splitlines()[-2:] == [
            f"worker-0 asked to end: finishing what runs, for at most {LONG:g} s",
            "worker-0 has left",
        ]

    def test_a_server_of_others_leaves_no_notes(self, tmp_path: Path) -> None:
        """Nor does one on a system without files in memory."""
        with LocalCluster(workers=1, parameter_servers=1, log_directory=tmp_path) as cluster:
            task = cluster.addresses.servers()[1]
        program = """
import os
from dbsl_tf.cluster import notes
del os.memfd_create
from dbsl_tf.cluster.server import main
main()
"""
        environment = {**os.environ, "TF_CONFIG": task.to_json()}
        with subprocess.Popen(
            [sys.executable, "-c", program], env=environment, stdin=subprocess.PIPE
        ) as process:
            exchange = NoteExchange(task.address, task.role, task.index, at_most(1))

            def answers() -> bool:
                try:
                    return exchange.exchange(stay_order(1, LONG)) is None
                except ServerGone:
                    return False

            wait_until(answers, 10)
            process.send_signal(signal.SIGTERM)
            assert process.wait(at_most(1)) == 0
