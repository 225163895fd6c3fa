"""Reads a stored run from its directory, for evaluation and export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.printing import tell
from dbsl_tf.config import Config
from dbsl_tf.results.checked_values import damaged, finite_number, whole_number
from dbsl_tf.results.checkpoints import Checkpoint, Checkpoints
from dbsl_tf.results.evaluated_weights import EvaluatedWeights, StatisticsFiles, evaluated_weights
from dbsl_tf.results.run_directory import RunDirectory
from dbsl_tf.results.stored_config import stored_config
from dbsl_tf.results.stored_objects import read_object, read_precision_choice


@dataclass(frozen=True)
class StoredRun:
    """A run of dbsl_tf.train that has ended, or at least has a checkpoint.

    Attributes:
        directory: its files.
        config: the configuration it was trained with, with the precision that auto chose.
        facts: facts about its data, see `dbsl_tf.data.dataset.dataset_facts`.
    """

    directory: RunDirectory
    config: Config
    facts: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> StoredRun:
        """Reads the files of the run in `path`.

        If config.yaml is not as the run wrote it, a warning is printed to standard error.

        Raises:
            UserError: there is no such run, or a file cannot be read.
        """
        directory = RunDirectory(path)
        if not directory.configuration.is_file():
            raise UserError(
                f"{path} holds no run ({directory.configuration.name} is missing); name the "
                "directory of a run of dbsl_tf.train"
            )
        if not directory.data.is_file():
            raise UserError(
                f"{path} has no {directory.data.name} and so no model, like every imported "
                "history; name the directory of a run of dbsl_tf.train"
            )
        if remark := directory.remark_on_configuration():
            tell(remark)
        config = stored_config(directory)
        if config.compute.precision == "auto":
            choice = read_precision_choice(directory)
            config = config.with_precision(choice.precision if choice else "float32")
        return cls(directory, config, _facts(directory))

    def checkpoint(self, commit: int | None = None) -> Checkpoint:
        """Returns the checkpoint of a commit; None: the newest that can be read.

        Damaged ones that are skipped are reported on standard error.

        Raises:
            UserError: there is none, or none that can be read.
        """
        checkpoints = Checkpoints(self.directory.checkpoints, self.config.checkpoint.keep)
        if commit is not None:
            return checkpoints.at(commit)
        newest = checkpoints.latest(tell)
        if newest is None:
            raise UserError(
                f"{self.directory.path} has no checkpoint to take the weights from; name a run "
                "that has one"
            )
        return newest

    def evaluated(self, checkpoint: Checkpoint) -> EvaluatedWeights:
        """Returns the weights of a checkpoint that are evaluated; see `evaluated_weights`."""
        files = StatisticsFiles(self.directory.checkpoints)
        return evaluated_weights(checkpoint, self.config.evaluation, files)


def _facts(directory: RunDirectory) -> dict[str, Any]:
    """Returns data.json, after checking the facts that a network needs."""
    facts = read_object(directory, directory.data)
    try:
        own = "x" in facts  # Data of a user's own have what they have.
        classes = None
        if not own or "classes" in facts:
            classes = whole_number(facts.get("classes"), "classes")
            if classes < 1:
                raise ValueError(f"classes is {classes}, below 1")
        for key in () if own else ("mean", "standard_deviation"):
            channels = facts.get(key)
            if not isinstance(channels, list) or len(channels) != 3:
                raise ValueError(f"{key} is not a list of three numbers")
            for value in channels:
                finite_number(value, key)
    except ValueError as error:
        raise damaged(directory.data, str(error)) from error
    return {**facts, "classes": classes}
