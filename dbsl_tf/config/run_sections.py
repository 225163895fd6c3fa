"""The sections of what is kept: `checkpoint`, `run`."""

from __future__ import annotations

from pydantic import Field

from dbsl_tf.config.names import Resume
from dbsl_tf.config.paths import UsablePath
from dbsl_tf.config.section import Section


class CheckpointSection(Section):
    """What is kept to resume from after an interruption."""

    every: int = Field(1, ge=1, description="epochs between checkpoints")
    keep: int = Field(3, ge=1, description="how many checkpoints to keep")


class RunSection(Section):
    """Where results go, whether a run goes on, and the seed."""

    dir: UsablePath | None = Field(
        None, description="folder for the results; null: runs/<configuration>-<time>"
    )
    resume: Resume = Field(
        "auto",
        description="whether to resume the run in run.dir: auto (if it has a checkpoint), never, "
        "or must (stop if it has none)",
    )
    tensorboard: bool = Field(
        True, description="also write event files for TensorBoard, to the folder tensorboard"
    )
    seed: int = Field(
        0, ge=0, le=2**31 - 1, description="seed for weights, shuffling and augmentation"
    )
