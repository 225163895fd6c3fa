"""What is no file, and files far too large, in every place that a command reads from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dbsl_tf.cli import (
    audit,
    evaluate,
    export,
    import_history,
    plan,
    plot,
    profile,
    report,
    simulate,
)
from dbsl_tf.common.errors import UserError
from dbsl_tf.common.files import CHECKPOINT, HISTORY, TABLE, WRITTEN_BY_HAND
from dbsl_tf.data.image_check import fault
from dbsl_tf.results.history import History
from dbsl_tf.results.stored_run import StoredRun
from scripts import tf_config
from tests.support.run_directories import make_run
from tests.support.small_runs import tiny_config, write_run

Read = Callable[[Path], Any]


def command(main: Callable[[list[str]], int], *arguments: str) -> Read:
    """Runs a command on a file; @ stands for its name, % for that of its folder."""
    return lambda path: main(
        [a.replace("@", str(path)).replace("%", str(path.parent)) for a in arguments]
    )


QUICKSTART = "configs/quickstart.yaml"
# What is read, how, and how large it may be.
FILES: dict[str, tuple[str, int, list[Read]]] = {
    "configuration": (
        "config.yaml",
        WRITTEN_BY_HAND,
        [
            command(plan.main, "--config", "@"),
            command(simulate.main, "--config", "@"),
            command(report.main, "%"),
            lambda path: StoredRun.read(path.parent),
        ],
    ),
    "history": (
        "history.jsonl",
        HISTORY,
        [
            History,
            command(report.main, "%"),
            command(audit.main, "%"),
            command(plot.main, "%", "--kind", "loss", "--output", "%/x.svg"),
            command(export.main, "%", "--format", "npz"),
        ],
    ),
    "plan": ("plan.json", TABLE, [command(report.main, "%"), command(audit.main, "%")]),
    "facts": ("data.json", TABLE, [command(report.main, "%"), command(evaluate.main, "%")]),
    "summary": ("summary.json", TABLE, [command(report.main, "%")]),
    "profile": (
        "profile.json",
        TABLE,
        [
            command(plan.main, "--config", QUICKSTART, "time_model.a=null", "time_model.b=null",
                    "time_model.profile=@"),
        ],
    ),
    "batch times": ("batch_times.csv", TABLE, [command(profile.main, "--from-csv", "@")]),
    "history of the authors": (
        "history.npy",
        1 << 26,
        [command(import_history.main, "@", "--output", "%/imported")],
    ),
    "hosts": ("hosts.txt", WRITTEN_BY_HAND, [command(tf_config.main, "--hosts-file", "@")]),
}  # fmt: skip


def make_pipe(path: Path, largest: int) -> None:
    os.mkfifo(path)


def link_device(path: Path, largest: int) -> None:
    path.symlink_to("/dev/zero")


def make_huge(path: Path, largest: int) -> None:
    path.touch()
    os.truncate(path, largest + 1)


KINDS = (make_pipe, link_device, make_huge)


def cases() -> Iterator[Any]:
    for name, (file, largest, reads) in FILES.items():
        for number, read in enumerate(reads):
            for make in KINDS:
                yield pytest.param(file, largest, read, make, id=f"{name}-{number}-{make.__name__}")


@pytest.mark.parametrize(("file", "largest", "read", "make"), cases())
def test_it_is_told_in_a_line(tmp_path: Path, file: str, largest: int, read: Read, make) -> None:
    run = make_run(tmp_path / "run", "schedule.epochs=2").path
    (run / file).unlink(missing_ok=True)
    make(run / file, largest)
    with pytest.raises(UserError) as caught:
        read(run / file)
    assert "\n" not in str(caught.value)
    # A pipe is no file to those who first ask whether there is one.
    assert file in str(caught.value) or "is no run directory" in str(caught.value)


@pytest.mark.parametrize("make", KINDS)
def test_a_checkpoint_that_is_none_is_passed_over(tmp_path: Path, capsys, make) -> None:
    config = tiny_config(tmp_path)
    run = write_run(tmp_path / "run", config, {1: [np.zeros(3, np.float32)]})
    make(run.checkpoints / "commit-000000002.npz", CHECKPOINT)
    assert StoredRun.read(run.path).checkpoint().commit == 1
    assert "commit-000000002.npz is damaged (" in capsys.readouterr().err


@pytest.mark.parametrize("make", KINDS)
def test_an_image_that_is_none_is_unreadable(tmp_path: Path, make) -> None:
    make(tmp_path / "image.png", 1 << 28)
    assert fault(tmp_path / "image.png")
