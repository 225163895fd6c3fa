"""Checkpoints on a real disk, damaged ones too."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.results.checkpoints import Checkpoint, Checkpoints
from dbsl_tf.schedules.epoch_shares import EpochShare, SharesTaken


def checkpoint(commit: int) -> Checkpoint:
    random = np.random.default_rng(commit)
    return Checkpoint(
        commit=commit,
        clocks=(commit, 1),
        samples={32: (10 * commit, 7)},
        wall_seconds=1.5,
        time_models={24: ((1e-3, 2e-3, 0.1),) * 2, 32: ((1e-3, 3e-3, 0.2),) * 2},
        weights=[random.normal(size=(3, 4)).astype(np.float32) for _ in range(12)],
        optimizer_state=[
            np.ones(2, np.float32),
            *(random.normal(size=(2, 3, 4)).astype(np.float32) for _ in range(24)),
        ],
        batches={24: (20, 100)},
        merge_state={
            name: [random.normal(size=(3, 4)).astype(np.float32) for _ in range(11)]
            for name in ("sum", "momentum")
        },
        merge_rule="delayed_nesterov",
        average=[random.normal(size=(3, 4)).astype(np.float32) for _ in range(12)],
        averaging=("last", 3),
        shares=SharesTaken(commit + 1, 500 * (commit + 1), (EpochShare(3, 500),)),
    )


def check_equal(one: Checkpoint, other: Checkpoint) -> None:
    for name in (
        "commit",
        "clocks",
        "samples",
        "wall_seconds",
        "time_models",
        "batches",
        "averaging",
        "shares",
    ):
        assert getattr(one, name) == getattr(other, name)
    assert one.merge_rule == other.merge_rule
    assert list(one.merge_state) == list(other.merge_state)
    for kept, other_kept in zip(one.merge_state.values(), other.merge_state.values()):
        for mine, theirs in zip(kept, other_kept, strict=True):
            np.testing.assert_array_equal(mine, theirs)
    for mine, theirs in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for mine, theirs in zip(one.optimizer_state, other.optimizer_state, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for mine, theirs in zip(one.average, other.average, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def refuse(line: str) -> None:
    raise AssertionError(line)


def test_the_newest_is_read_back_and_old_ones_are_removed(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=2)
    assert checkpoints.latest(refuse) is None
    for commit in (0, 9, 10, 100):
        checkpoints.save(checkpoint(commit))
    check_equal(checkpoints.latest(refuse), checkpoint(100))
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["commit-000000010.npz", "commit-000000100.npz"]


@pytest.mark.parametrize(
    "taken",
    [
        SharesTaken(9, 500, (EpochShare(0, 100),)),
        SharesTaken(10, 99, (EpochShare(0, 100),)),
        SharesTaken(10, 500, ()),
    ],
)
def test_shares_that_no_run_has_had_are_damage(tmp_path: Path, taken: SharesTaken) -> None:
    checkpoints, told = Checkpoints(tmp_path / "checkpoints", keep=2), []
    checkpoints.save(replace(checkpoint(9), shares=taken))
    with pytest.raises(UserError):
        checkpoints.latest(told.append)
    assert "its shares are" in told[0]


def test_one_is_read_by_its_commit(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=3)
    with pytest.raises(UserError, match="no checkpoint of commit 4; it has none at all"):
        checkpoints.at(4)
    for commit in (4, 8):
        path = checkpoints.save(checkpoint(commit))
    check_equal(checkpoints.at(4), checkpoint(4))
    with pytest.raises(UserError, match="no checkpoint of commit 5; it has 4, 8$"):
        checkpoints.at(5)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match="000000008.npz is damaged"):
        checkpoints.at(8)


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "empty"])
def test_a_damaged_one_is_named_and_the_one_before_it_used(tmp_path: Path, damage: str) -> None:
    checkpoints = Checkpoints(tmp_path, keep=3)
    checkpoints.save(checkpoint(1))
    newest = checkpoints.save(checkpoint(2))
    content = newest.read_bytes()
    middle = len(content) // 2
    newest.write_bytes(
        {
            "cut": content[:middle],
            "flipped": content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :],
            "foreign": b"not a checkpoint",
            "empty": b"",
        }[damage]
    )
    lines: list[str] = []
    check_equal(checkpoints.latest(lines.append), checkpoint(1))
    assert len(lines) == 1 and str(newest) in lines[0]
    assert newest.exists()


def test_a_damaged_newer_one_does_not_push_a_good_one_out(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(checkpoint(12)).write_bytes(b"")
    checkpoints.save(checkpoint(8))
    check_equal(checkpoints.latest(lambda line: None), checkpoint(8))


def test_when_all_are_damaged_nothing_is_destroyed(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=3)
    path = checkpoints.save(checkpoint(1))
    path.write_bytes(b"")
    with pytest.raises(UserError, match="none of the 1 checkpoint"):
        checkpoints.latest(lambda line: None)
    assert path.exists()


def test_pickles_are_not_read(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=3)

    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "trap"),))

    trap = np.array([Trap()], dtype=object)
    np.savez(tmp_path / "commit-000000001.npz", progress=trap, weight_00000=trap)
    with pytest.raises(UserError, match="none of the 1"):
        checkpoints.latest(lambda line: None)
    assert not (tmp_path / "trap").exists()


def test_a_full_disk_is_one_line_and_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk."""
    checkpoints = Checkpoints(tmp_path, keep=3)
    checkpoints.save(checkpoint(1))
    program = f"""
import resource, signal
from pathlib import Path
import numpy as np
from dbsl_tf.results.checkpoints import Checkpoint, Checkpoints
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
weights = [np.zeros(100_000, np.float32)]
checkpoint = Checkpoint(2, (1, 1), (0, 0), 0.0, dict(), weights, [])
Checkpoints(Path({str(tmp_path)!r}), 3).save(checkpoint)
"""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "UserError" in result.stderr and "cannot be written" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["commit-000000001.npz"]
    check_equal(checkpoints.latest(refuse), checkpoint(1))
