"""`python -m dbsl_tf.audit` as a person runs it, on histories made by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from dbsl_tf.results.run_directory import RunDirectory
from tests.support.commands import check_one_line_mistake, run_command
from tests.support.records import commit_record
from tests.support.run_directories import SAMPLES, append_event, make_run

command = partial(run_command, "audit")
HALF = 700
REST = SAMPLES - HALF


def write_run(path: Path, epochs: int = 4) -> RunDirectory:
    """A run whose two workers share epochs, and which has merged nothing yet."""
    keys = ("data.sharing=disjoint", f"schedule.epochs={epochs}", "schedule.milestones=[]")
    return make_run(path, *keys, commits=0)


def merge(directory: RunDirectory, shares: Sequence[tuple[int, int]], done: int = 0) -> None:
    """The workers take turns at shares, of which each is a first sample and a count."""
    for number, (first, samples) in enumerate(shares, done):
        values = dict(commit=number + 1, worker=number % 2, samples=samples, first_sample=first)
        append_event(directory, **commit_record(**values).as_dict())


def shares_of(epochs: int) -> list[tuple[int, int]]:
    return [
        share
        for epoch in range(epochs)
        for share in ((epoch * SAMPLES, HALF), (epoch * SAMPLES + HALF, REST))
    ]


def cells(text: str) -> list[tuple[str, ...]]:
    """What is in the table."""
    lines = [line for line in text.splitlines() if line.startswith("│")]
    return [tuple(cell.strip() for cell in line.strip("│").split("│")) for line in lines]


def test_complete(tmp_path: Path) -> None:
    merge(write_run(tmp_path), shares_of(4))
    done = command(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    first, *_, last = done.stdout.splitlines()
    assert first == f"{tmp_path}: {SAMPLES} samples in an epoch"
    assert last == "every sample of 4 complete epochs was trained and merged exactly once"
    whole = (str(SAMPLES), "100.00 %", "0", "0", "complete")
    assert cells(done.stdout) == [(str(epoch), *whole) for epoch in (1, 2, 3, 4)]


def test_one_commit_is_missing_in_the_middle(tmp_path: Path) -> None:
    directory = write_run(tmp_path)
    shares = shares_of(4)
    merge(directory, [*shares[:3], *shares[4:], (4 * SAMPLES, 1)])
    done = command(tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert cells(done.stdout)[1] == ("2", "700", "48.71 %", str(REST), "0", "incomplete")
    assert done.stdout.splitlines()[-1] == (
        f"{REST} samples were lost, in no merged mini-epoch: epoch 2"
    )


def test_one_is_doubled(tmp_path: Path) -> None:
    shares = shares_of(4)
    merge(write_run(tmp_path), [*shares[:4], shares[3], *shares[4:]])
    done = command(tmp_path, "--json")
    assert (done.returncode, done.stderr) == (1, "")
    found = json.loads(done.stdout)
    assert (found["passed"], found["lost"], found["doubled"]) == (False, 0, REST)
    assert found["samples_per_epoch"] == SAMPLES
    assert found["epochs"][1] == {
        "epoch": 2, "samples": SAMPLES, "share": 1.0, "lost": 0, "doubled": REST,
        "state": "complete",
    }  # fmt: skip
    assert found["summary"].endswith("trained and merged more than once: epoch 2")


def test_unfinished(tmp_path: Path) -> None:
    directory = write_run(tmp_path)
    assert command(tmp_path).stdout.splitlines()[1:] == [
        "no epoch is complete yet; nothing is lost, and nothing was merged twice"
    ]
    merge(directory, shares_of(2)[:3])
    done = command(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert cells(done.stdout)[1] == ("2", "700", "48.71 %", "0", "0", "in progress")
    assert done.stdout.splitlines()[-1].startswith("every sample of 1 complete epoch was ")


def test_resumed(tmp_path: Path) -> None:
    """What was merged after the checkpoint is trained again, and counts once."""
    directory = write_run(tmp_path)
    shares = shares_of(4)
    merge(directory, shares[:5])
    append_event(directory, event="resume", commit=2, discarded=3, time=9.0, changes=[])
    merge(directory, [shares[3], shares[2], *shares[4:]], done=2)
    done = command(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("every sample of 4 complete epochs was ")


def test_mistakes(tmp_path: Path) -> None:
    check_one_line_mistake(command(tmp_path / "none"), "is not a run directory")
    shared = make_run(tmp_path / "shared").path
    for options in ((), ("--json",)):
        check_one_line_mistake(
            command(shared, *options),
            "each of its workers goes through the whole training set in an order of its own "
            "(data.sharing: shared); set data.sharing: disjoint",
        )
    directory = write_run(tmp_path / "run")
    append_event(directory, **commit_record().as_dict())
    check_one_line_mistake(command(directory.path), "commit 1 has no first_sample")
    directory.plan.unlink()
    check_one_line_mistake(
        command(directory.path), "plan.json cannot be read (it does not say how many"
    )
