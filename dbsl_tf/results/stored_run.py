"""What the directory of a run says of it, for those who come later."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbsl_tf.common.errors import UserError
from dbsl_tf.config import Config, load_config
from dbsl_tf.results.checkpoints import Checkpoint, Checkpoints
from dbsl_tf.results.run_directory import RunDirectory


@dataclass(frozen=True)
class StoredRun:
    """A run of dbsl_tf.train that has ended, or at least has a checkpoint.

    Attributes:
        directory: its files.
        config: what it was trained with.
        facts: of its data, see `dbsl_tf.data.dataset.dataset_facts`.
    """

    directory: RunDirectory
    config: Config
    facts: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> StoredRun:
        """Reads the files of the run in `path`.

        Raises:
            UserError: there is no such run, or a file cannot be read.
        """
        directory = RunDirectory(path)
        if not directory.configuration.is_file():
            raise UserError(
                f"{path} holds no run ({directory.configuration.name} is missing); name the "
                "directory of a run of dbsl_tf.train"
            )
        config = load_config(directory.configuration)
        return cls(directory, config, directory.read_json(directory.data))

    def checkpoint(self, commit: int | None = None) -> Checkpoint:
        """The checkpoint of a commit; None: the newest that can be read.

        Damaged ones that are passed over are told on standard error.

        Raises:
            UserError: there is none, or none that can be read.
        """
        checkpoints = Checkpoints(self.directory.checkpoints, self.config.checkpoint.keep)
        if commit is not None:
            return checkpoints.at(commit)
        newest = checkpoints.latest(lambda line: print(line, file=sys.stderr))
        if newest is None:
            raise UserError(f"{self.directory.path} has no checkpoint to take the weights from")
        return newest
