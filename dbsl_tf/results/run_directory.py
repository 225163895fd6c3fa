"""The directory of one run and the files in it."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from dbsl_tf.errors import UserError
from dbsl_tf.files import write_whole_text


class RunDirectory:
    """`run.dir`: configuration, plan, history, summary, model and server logs of one run.

    Args:
        path: the directory, see `create`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.configuration = path / "config.yaml"
        self.plan = path / "plan.json"
        self.history = path / "history.jsonl"
        self.summary = path / "summary.json"
        self.model = path / "model.keras"
        self.logs = path / "logs"

    @classmethod
    def create(cls, directory: Path | None, config_file: Path) -> RunDirectory:
        """Make the directory of a new run.

        Args:
            directory: `run.dir`; None for runs/<name of the configuration>-<time>.
            config_file: where the configuration came from.

        Raises:
            UserError: the directory holds something already, or cannot be made or written.
        """
        if directory is None:
            time = datetime.now().strftime("%Y%m%d-%H%M%S")
            path = Path("runs") / f"{config_file.stem}-{time}"
        else:
            path = directory
        try:
            path.mkdir(parents=True, exist_ok=True)
            directory = cls(path)
            directory._check_unused()
            directory.logs.mkdir(exist_ok=True)
        except OSError as error:
            raise UserError(
                f"run.dir={path} cannot be made or written ({error.strerror}): choose a directory "
                "that you may write"
            ) from error
        return directory

    def _check_unused(self) -> None:
        """Refuse all that is not what a run leaves that ended before its first commit."""
        started = {self.configuration, self.plan, self.logs, self.history}
        results = [file for file in self.path.iterdir() if file not in started]
        if results or (self.history.exists() and self.history.stat().st_size):
            raise UserError(
                f"run.dir={self.path} is not empty: give another run.dir, or remove that one, "
                "so that no earlier result is overwritten"
            )

    def write_text(self, file: Path, text: str) -> None:
        """Write a whole file or nothing, see `dbsl_tf.files.write_whole`."""
        write_whole_text(file, text)

    def write_json(self, file: Path, content: Any) -> None:
        """Write `content` as indented JSON, see `write_text`."""
        self.write_text(file, json.dumps(content, indent=2, allow_nan=False) + "\n")
