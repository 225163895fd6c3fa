"""The section `schedule`: length, learning rate and merging of a run over time."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from dbsl_tf.common.import_path import IMPORT_PATH
from dbsl_tf.config.names import LearningRateDecay, MergeInterval
from dbsl_tf.config.ranges import MOST_EPOCHS, MOST_MINI_EPOCHS
from dbsl_tf.config.registries import LEARNING_RATES
from dbsl_tf.config.section import Section, across_keys
from dbsl_tf.config.tags import Effect, SameWork

_MOST_MILESTONES = 10_000
# So that learning rates remain numbers: how many powers of ten gamma may come to in all.
_MOST_POWERS = 250


class ScheduleSection(Section):
    """Length of the run, and learning rate and merging over time."""

    epochs: Annotated[int, SameWork()] = Field(ge=1, le=MOST_EPOCHS, description="epochs to train")
    learning_rate: Annotated[str | None, Effect.RESULT] = Field(
        None,
        description="instead of optimizer.base_lr and the keys below: a function of yours, without "
        "arguments, that returns a function from an epoch, such as 2.5, to the base learning rate",
        json_schema_extra={"allowed": f"an import path {IMPORT_PATH}, or null"},
    )
    decay: LearningRateDecay = Field(
        "milestones",
        description="how the learning rate falls: by gamma at each milestone, or along half a "
        "cosine from the end of the warm-up to 0 at the end of the run",
    )
    milestones: Annotated[tuple[float, ...], Field(strict=False, max_length=_MOST_MILESTONES)] = (
        Field(
            (),
            description="epochs at which the learning rate is multiplied by gamma; those at or "
            "beyond schedule.epochs have no effect",
            json_schema_extra={
                "allowed": f"a list of at most {_MOST_MILESTONES} numbers above 0, each larger "
                "than the one before"
            },
        )
    )
    gamma: float = Field(0.1, gt=0, le=10, description="factor of the learning rate at a milestone")
    warmup_epochs: float = Field(
        0.0,
        ge=0,
        le=MOST_EPOCHS,
        description="epochs over which the learning rate rises linearly to base_lr",
    )
    eval_every: int = Field(
        1, ge=1, le=MOST_EPOCHS, description="epochs between evaluations on the test set"
    )
    mini_epochs_per_epoch: int = Field(
        1,
        ge=1,
        le=MOST_MINI_EPOCHS,
        description="how often every worker takes and gives back the weights in an epoch, M; its "
        "samples are divided evenly, and each time takes the overhead of a mini-epoch",
    )
    merge_interval: MergeInterval = Field(
        "constant",
        description="how M changes: constant, or quadratic: in each epoch it is M times the "
        "square of the learning rate over its highest, rounded up, so that workers train longer "
        "on their own as the rate falls (QSR, arXiv 2310.14423)",
    )
    final_local_epochs: int = Field(
        0,
        ge=0,
        le=MOST_EPOCHS,
        description="epochs at the end of the run that every worker trains on its own, from the "
        "same weights and at the learning rate of their beginning; the results are averaged once, "
        "weighted by their update factors, whatever the merge rule and sync.mode",
    )

    @field_validator("milestones", mode="after")
    @classmethod
    def _rising(cls, milestones: tuple[float, ...]) -> tuple[float, ...]:
        if any(later <= earlier for earlier, later in pairwise((0.0, *milestones))):
            raise PydanticCustomError("not_rising", "not rising")
        return milestones

    @field_validator("learning_rate", mode="after")
    @classmethod
    def _known(cls, choice: str | None) -> str | None:
        problem = None if choice is None else LEARNING_RATES.problem(choice)
        if problem is not None:
            raise PydanticCustomError(
                "not_allowed", "{allowed}", {"allowed": f"give an import path {IMPORT_PATH}"}
            )
        return choice

    @model_validator(mode="after")
    def _nothing_beside_a_function(self) -> ScheduleSection:
        if self.learning_rate is not None:
            for key in ("decay", "milestones", "gamma", "warmup_epochs"):
                value = getattr(self, key)
                if value != type(self).model_fields[key].default:
                    raise across_keys(
                        (f"schedule.{key}", "schedule.learning_rate"),
                        value,
                        f"leave it out, as schedule.learning_rate is {self.learning_rate}",
                    )
        return self

    @model_validator(mode="after")
    def _numbers_that_can_be_computed(self) -> ScheduleSection:
        if abs(math.log10(self.gamma)) * len(self.milestones) > _MOST_POWERS:
            raise across_keys(
                ("schedule.gamma", "schedule.milestones"),
                self.gamma,
                f"give one that is closer to 1, or fewer than {len(self.milestones)} "
                "schedule.milestones",
            )
        return self

    @model_validator(mode="after")
    def _an_interval_that_can_rise(self) -> ScheduleSection:
        if self.merge_interval == "quadratic" and self.mini_epochs_per_epoch == 1:
            raise across_keys(
                ("schedule.merge_interval", "schedule.mini_epochs_per_epoch"),
                self.merge_interval,
                "give constant, since schedule.mini_epochs_per_epoch is 1 and cannot fall, or "
                "raise that",
            )
        return self

    @model_validator(mode="after")
    def _no_more_local_epochs_than_epochs(self) -> ScheduleSection:
        if self.final_local_epochs > self.epochs:
            raise across_keys(
                ("schedule.final_local_epochs", "schedule.epochs"),
                self.final_local_epochs,
                f"give 0 to {self.epochs} (schedule.epochs)",
            )
        return self

    @model_validator(mode="after")
    def _one_decay(self) -> ScheduleSection:
        if self.decay == "cosine" and self.milestones:
            raise across_keys(
                ("schedule.milestones", "schedule.decay"),
                self.milestones,
                "give [], since schedule.decay is cosine, or set schedule.decay to milestones",
            )
        return self

    @property
    def stage_ends(self) -> tuple[int, ...]:
        """Last epochs of the stages between milestones; the last is `epochs`.

        An epoch that contains a milestone is the last of its stage, whose rate it begins with.
        """
        ends = {math.ceil(milestone) for milestone in self.milestones if milestone < self.epochs}
        return tuple(sorted(ends | {self.epochs}))
