"""The sections about time: `time_model`, `profile`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from dbsl_tf.config.paths import UsablePath
from dbsl_tf.config.ranges import LARGEST_BATCH, LONGEST, LONGEST_WAIT, MOST_BYTES, SHORTEST
from dbsl_tf.config.section import Section, across_keys
from dbsl_tf.config.sizes import Bytes
from dbsl_tf.config.tags import Effect


class TimeModelSection(Section):
    """Time of a mini-epoch: a B + b seconds for each batch of B samples, and an overhead."""

    a: Annotated[float | None, Effect.RESULT] = Field(
        None,
        ge=SHORTEST,
        le=LONGEST,
        description="seconds per sample, the same on every worker; requires b",
    )
    b: Annotated[float | None, Effect.RESULT] = Field(
        None, ge=SHORTEST, le=LONGEST, description="seconds per batch; requires a"
    )
    overhead: Annotated[float, Effect.RESULT] = Field(
        0.0,
        ge=0,
        le=LONGEST,
        description="seconds a mini-epoch takes beyond its batches, to pull and push the "
        "weights; requires a and b",
    )
    profile: Annotated[UsablePath | None, Effect.CONDUCT] = Field(
        None,
        description="file written by dbsl_tf.profile, with the measured values of each worker; "
        "instead of a, b and overhead",
    )

    @model_validator(mode="after")
    def _one_source(self) -> TimeModelSection:
        """Refuses an incomplete time model, and two at once: it must be clear which one counts."""
        given = [name for name in ("a", "b") if getattr(self, name) is not None]
        if len(given) == 1:
            missing = "b" if given == ["a"] else "a"
            meaning = {"a": "seconds per sample", "b": "seconds per batch"}[missing]
            raise across_keys(
                (f"time_model.{missing}", f"time_model.{given[0]}"),
                None,
                f"give it ({meaning}), since time_model.{given[0]} is given, or give neither",
            )
        if given and self.profile is not None:
            raise across_keys(
                ("time_model.profile", "time_model.a", "time_model.b"),
                str(self.profile),
                "give it or a and b, not both (time_model.a=null time_model.b=null unsets them)",
            )
        if self.overhead > 0 and not given:
            raise across_keys(
                ("time_model.overhead", "time_model.a", "time_model.b", "time_model.profile"),
                self.overhead,
                "it requires time_model.a and time_model.b; without them, give 0",
            )
        return self


class ProfileSection(Section):
    """The measurement of time and memory by dbsl_tf.profile."""

    max_batch: int | None = Field(
        None,
        ge=2,
        le=LARGEST_BATCH,
        description="largest batch to measure; null: dual_batch.large_batch",
    )
    memory_budget: Bytes | None = Field(
        None,
        gt=0,
        le=MOST_BYTES,
        description="memory that a worker may use in total, in bytes; null: its share of the "
        "free memory of its host",
        json_schema_extra={
            "allowed": "a number of bytes above 0, such as 8000000000, 8GB or 8GiB, or null"
        },
    )
    seconds: float = Field(
        120.0,
        gt=0,
        le=LONGEST_WAIT,
        description="most seconds to spend on measuring one resolution, once the workers have "
        "loaded the network; what has been measured by then counts",
    )
