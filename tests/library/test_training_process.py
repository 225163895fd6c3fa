"""The process that trains: what it sends, and what it can be asked for."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dbsl_tf.common.errors import ClusterError, UserError
from dbsl_tf.library.training_process import TrainingProcess, train_in_process
from dbsl_tf.results.run_directory import RunDirectory
from tests.support.launching import CONFIGURATION

pytestmark = pytest.mark.cluster


def directory_of(folder: Path, old: str, new: str) -> RunDirectory:
    """The directory of a run that is to be, with one thing in its configuration changed."""
    directory = RunDirectory(folder / "run")
    directory.path.mkdir()
    text = CONFIGURATION.replace(old, new) + f"run: {{dir: '{directory.path}'}}\n"
    directory.trainer.write_text(text)
    return directory


@pytest.mark.slow
def test_records_come_in_and_requests_are_met(tmp_path: Path) -> None:
    directory = directory_of(tmp_path, "epochs: 1", "epochs: 1000")
    kinds, rates = [], []

    def look(process: TrainingProcess, event: dict) -> None:
        kinds.append(event["event"])
        if event["event"] == "evaluation":
            process.ask("seen")
        if event["event"] == "begin":
            process.ask("scale_learning_rates", 0.5)
        if event["event"] == "commit":
            rates.append(event["learning_rate"])
            if event["commit"] == 4:
                assert process.write_weights(tmp_path / "weights.npz")
                process.ask("stop")

    train_in_process(directory, look, quiet=True)

    assert kinds[0] == "begin"
    assert "evaluation" in kinds
    # Those in flight when it was asked to stop still counted.
    assert 4 <= kinds.count("commit") < 2000
    # The last one may have begun before.
    assert min(rates) == pytest.approx(0.05)
    with np.load(tmp_path / "weights.npz") as arrays:
        assert all(np.isfinite(arrays[name]).all() for name in arrays.files)
    summary = json.loads(directory.summary.read_text())
    assert summary["commits"] == kinds.count("commit")
    assert directory.model.is_file()


def test_what_cannot_be_trained_is_an_exception_with_the_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    directory = directory_of(tmp_path, "workers: 2", "workers: none")
    with pytest.raises(UserError, match="cluster.workers is 'none'"):
        train_in_process(directory, lambda process, event: None)
    # It is not printed as well.
    assert "cluster.workers" not in capfd.readouterr().err


@pytest.fixture
def in_the_background() -> Iterator[None]:
    """Ctrl-C is ignored by the children of a program that a shell starts with `&`."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
def test_an_interrupted_program_leaves_a_run_that_can_be_resumed(
    tmp_path: Path, in_the_background: None
) -> None:
    directory = directory_of(tmp_path, "epochs: 1", "epochs: 1000")

    def interrupt(process: TrainingProcess, event: dict) -> None:
        process.ask("seen")
        if event["event"] == "commit" and event["commit"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_in_process(directory, interrupt, quiet=True)
    assert list(directory.checkpoints.glob("commit-*.npz"))
    begun = []

    def stop(process: TrainingProcess, event: dict) -> None:
        if event["event"] == "begin":
            begun.append(event["commit"])
            process.ask("stop")

    train_in_process(directory, stop, quiet=True)
    assert begun[0] >= 3


@pytest.mark.slow
def test_a_process_that_was_killed_says_so(tmp_path: Path) -> None:
    directory = directory_of(tmp_path, "epochs: 1", "epochs: 1000")

    def kill(process: TrainingProcess, event: dict) -> None:
        process._process.kill()

    with pytest.raises(ClusterError, match="ended by SIGKILL .* call fit again"):
        train_in_process(directory, kill, quiet=True)


def test_a_process_that_fails_says_why(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = directory_of(tmp_path, "epochs: 1", "epochs: 2")
    monkeypatch.setenv("DBSL_TF_RESTARTS", "no number")
    with pytest.raises(ClusterError, match=r"failed \(ValueError: .*'no number'\)"):
        train_in_process(directory, lambda process, event: None, quiet=True)
    assert "Traceback" in capfd.readouterr().err
