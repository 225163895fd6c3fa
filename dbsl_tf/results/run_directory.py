"""The directory of one run and the files in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from dbsl_tf.common.checksums import is_verified_text, text_with_checksum, verified, with_checksum
from dbsl_tf.common.errors import UserError
from dbsl_tf.common.files import TABLE, WRITTEN_BY_HAND, read_text, write_whole_text
from dbsl_tf.config.names import Resume
from dbsl_tf.results.checked_values import damaged
from dbsl_tf.results.checkpoints import checkpoint_files, commit_of
from dbsl_tf.results.history_lines import read_lines


def claim_folder(name: str) -> Path:
    """Returns runs/<name>-<time>, made now, so that no run begun in the same second has it too.

    See `release_folder`.
    """
    first = Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    for number in count(1):
        folder = first if number == 1 else first.with_name(f"{first.name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            # Otherwise it is `runs` that is not a folder.
            if folder.is_dir():
                continue
        except OSError:
            pass  # `RunDirectory.make` reports what is wrong.
        return folder
    raise AssertionError("there is no end of numbers")


def release_folder(folder: Path) -> None:
    """Removes a folder of `claim_folder` in which no run has begun, and `runs` if it is empty."""
    with suppress(OSError):
        folder.rmdir()
        folder.parent.rmdir()


class RunDirectory:
    """`run.dir`: configuration, plan, facts of the data, history, results of one run.

    Args:
        path: the directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.configuration = path / "config.yaml"
        self.plan = path / "plan.json"
        self.data = path / "data.json"
        self.origin = path / "origin.json"
        self.evaluation = path / "evaluation.json"
        self.arrays = path / "data"
        self.history = path / "history.jsonl"
        self.summary = path / "summary.json"
        self.model = path / "model.keras"
        self.report = path / "report.html"
        # What the run is doing, and a request to stop it; see `dbsl_tf.operating`.
        self.live = path / "live.json"
        self.stop_request = path / "stop.json"
        self.checkpoints = path / "checkpoints"
        self.logs = path / "logs"
        self.tensorboard = path / "tensorboard"
        # Of runs of a `dbsl_tf.Trainer`: its settings and its objects.
        self.trainer = path / "trainer.yaml"
        self.program = path / "program.pkl"

    @classmethod
    def of(cls, directory: Path | None, config_file: Path) -> RunDirectory:
        """Returns the directory of a run, which need not exist yet.

        Args:
            directory: `run.dir`; None: runs/<name of the configuration>-<time>, see `claim_folder`.
            config_file: the file of the configuration.
        """
        if directory is not None:
            return cls(directory)
        return cls(claim_folder(config_file.stem))

    @property
    def is_complete(self) -> bool:
        """Whether it holds a run that has ended, with its results and its model."""
        # The model is written last.
        return self.summary.exists() and self.model.exists()

    def is_trained(self, commits: int) -> bool:
        """Whether it holds a run that has ended after so many commits, with its results."""
        found = checkpoint_files(self.checkpoints)
        return self.is_complete and bool(found) and commit_of(found[-1]) == commits

    def resumes(self, resume: Resume) -> bool:
        """Returns whether to resume the run in the directory rather than begin a new one.

        Args:
            resume: `run.resume`.

        Raises:
            UserError: something would be overwritten, or there is nothing to resume.
        """
        if checkpoint_files(self.checkpoints) and resume != "never":
            return True
        if resume == "must":
            raise UserError(
                f"run.resume=must, but run.dir={self.path} has no checkpoint: give the run.dir of "
                "the run to resume, or run.resume=auto"
            )
        self._check_unused()
        return False

    def make(self) -> list[Path]:
        """Creates the directory; returns what did not exist before, for `unmake`.

        Raises:
            UserError: it cannot be created or written.
        """
        try:
            made = [path for path in (self.history, self.logs, self.path) if not path.exists()]
            self.logs.mkdir(parents=True, exist_ok=True)
            self.history.touch()
        except OSError as error:
            raise UserError(
                f"run.dir={self.path} cannot be created or written ({error.strerror}); choose a "
                "directory that you can write to"
            ) from error
        return made

    def unmake(self, made: Sequence[Path]) -> None:
        """Removes what `make` created, if the run could not begin; other files are kept."""
        for path in made:
            try:
                path.unlink() if path == self.history else path.rmdir()
            except OSError:
                return

    def _check_unused(self) -> None:
        """Refuses all content except that of a run that ended before its first checkpoint."""
        started = {
            self.configuration,
            self.plan,
            self.data,
            self.origin,
            self.arrays,
            self.report,
            self.live,
            self.stop_request,
            self.logs,
            self.history,
            self.checkpoints,
            self.tensorboard,
            self.trainer,
            self.program,
        }
        try:
            files = list(self.path.iterdir()) if self.path.exists() else []
        except OSError as error:
            raise UserError(
                f"run.dir={self.path} cannot be read ({error.strerror}); choose a directory of "
                "your own"
            ) from error
        cut_short = set(self.live_files_cut_short())
        results = [file for file in files if file not in started | cut_short]
        # The next checkpoint removes what a crash cut short.
        if self.checkpoints in files and not all(
            file.match(".*.commit-*.npz") for file in self.checkpoints.iterdir()
        ):
            results.append(self.checkpoints)
        if results or self._history_has_results():
            raise UserError(
                f"run.dir={self.path} is not empty; give another run.dir, or remove this one, so "
                "that no earlier result is overwritten"
            )

    def _history_has_results(self) -> bool:
        """Returns whether the history holds more than faults from before the first checkpoint."""
        try:
            if not self.history.exists() or not self.history.stat().st_size:
                return False
            lines = read_lines(self.history)
        except (OSError, ValueError, UserError):
            return True  # It was not written by a run.
        only_faults = all(event["event"] == "fault" for event in lines.events.values())
        return not (lines.events and only_faults) or bool(lines.damaged)

    def live_files_cut_short(self) -> list[Path]:
        """Returns what is left of live.json and of requests to stop that a crash cut short."""
        return [
            f for live in (self.live, self.stop_request) for f in self.path.glob(f".*.{live.name}")
        ]

    def check_has_history(self) -> None:
        """Checks that this is the directory of a run.

        Raises:
            UserError: it has no history.
        """
        if not self.history.is_file():
            raise UserError(
                f"{self.path} is not a run directory, as it has no {self.history.name}; name the "
                "run.dir of a run of dbsl_tf.train"
            )

    def write_text(self, file: Path, text: str, durable: bool = True) -> None:
        """Writes a whole file or nothing; see `dbsl_tf.common.files.write_whole`."""
        write_whole_text(file, text, durable)

    def write_configuration(self, text: str) -> None:
        """Writes config.yaml with a checksum as its last line; see `write_text`."""
        self.write_text(self.configuration, text_with_checksum(text))

    def remark_on_configuration(self) -> str:
        """Returns a warning if config.yaml is not as the run wrote it, otherwise an empty string.

        It is used anyway, on the assumption that the user has edited it deliberately.
        """
        try:
            text = read_text(self.configuration, WRITTEN_BY_HAND)
        except (OSError, UnicodeDecodeError):
            return ""  # The error is reported when the file is read.
        if is_verified_text(text):
            return ""
        return f"warning: {self.configuration} was edited or damaged after the run wrote it"

    def write_json(self, file: Path, content: Mapping[str, Any], durable: bool = True) -> None:
        """Writes `content` as indented JSON with a checksum; see `write_text`."""
        text = json.dumps(with_checksum(content), indent=2, allow_nan=False) + "\n"
        self.write_text(file, text, durable)

    def read_json(self, file: Path) -> Any:
        """Reads a JSON file of the run.

        Raises:
            UserError: it cannot be read, is not JSON, or does not match its checksum.
        """
        try:
            return verified(json.loads(read_text(file, TABLE)))
        except OSError as error:
            raise UserError(
                f"{file} cannot be read ({error.strerror}); name the directory of a run of "
                "dbsl_tf.train"
            ) from error
        except (ValueError, RecursionError) as error:
            raise damaged(file, str(error)) from error
