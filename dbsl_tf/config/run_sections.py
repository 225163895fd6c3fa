"""The sections about what is stored: `checkpoint`, `run`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from dbsl_tf.config.names import Resume
from dbsl_tf.config.paths import UsablePath
from dbsl_tf.config.ranges import LARGEST_COUNT, MOST_EPOCHS
from dbsl_tf.config.section import Section, across_keys
from dbsl_tf.config.tags import Effect, SetBySweep


class CheckpointSection(Section):
    """Checkpoints, from which a run is resumed after an interruption."""

    every: int = Field(1, ge=1, le=MOST_EPOCHS, description="epochs between checkpoints")
    keep: int = Field(3, ge=1, le=LARGEST_COUNT, description="how many checkpoints to keep")


class RunSection(Section):
    """Where results are written, whether a run is resumed, and the seed."""

    dir: Annotated[UsablePath | None, Effect.PLACE, SetBySweep("give --output")] = Field(
        None, description="folder for the results; null: runs/<configuration>-<time>"
    )
    resume: Annotated[
        Resume, Effect.PLACE, SetBySweep("leave it out: interrupted runs are resumed")
    ] = Field(
        "auto",
        description="whether to resume the run in run.dir: auto (if it has a checkpoint), never, "
        "or must (stop if it has none)",
    )
    tensorboard: Annotated[bool, Effect.PLACE] = Field(
        True,
        description="also write event files to the folder tensorboard, for TensorBoard, which "
        "pip install tensorboard gets",
    )
    metrics_port: Annotated[int | None, Effect.PLACE] = Field(
        None,
        ge=0,
        le=65535,
        description="port at which the chief shows the run's figures to Prometheus; 0: any that is "
        "free, null: none",
    )
    metrics_address: Annotated[str, Effect.PLACE] = Field(
        "127.0.0.1",
        min_length=1,
        max_length=255,
        description="address at which it does; 0.0.0.0: every one of the machine, for a firewall "
        "to close",
        json_schema_extra={"allowed": "an address or a name of the chief's machine"},
    )
    seed: Annotated[
        int,
        Effect.REPETITION,
        SetBySweep("give --seeds, and run.seed=N for the first seed", first=True),
    ] = Field(0, ge=0, le=2**31 - 1, description="seed for weights, shuffling and augmentation")

    @model_validator(mode="after")
    def _nothing_without_effect(self) -> RunSection:
        default = type(self).model_fields["metrics_address"].default
        if self.metrics_port is None and self.metrics_address != default:
            raise across_keys(
                ("run.metrics_address", "run.metrics_port"),
                self.metrics_address,
                f"give {default}, since run.metrics_port is null, or give a port",
            )
        return self
