"""The section `progressive`, and the checks of its agreement with other sections."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from dbsl_tf.config.names import ProgressiveMode
from dbsl_tf.config.ranges import LARGEST_BATCH, LARGEST_IMAGE, LONGEST, MOST_EPOCHS, SHORTEST
from dbsl_tf.config.section import Section, across_keys
from dbsl_tf.config.tags import Timed

if TYPE_CHECKING:
    from dbsl_tf.config.schedule_section import ScheduleSection
    from dbsl_tf.config.time_sections import TimeModelSection

_PER_RESOLUTION = ("dropout", "large_batch", "a", "b", "overhead")


def _not_empty(values: tuple) -> tuple:
    if not values:
        raise PydanticCustomError("empty", "empty")
    return values


def _rising(values: tuple[int, ...]) -> tuple[int, ...]:
    if any(later <= earlier for earlier, later in pairwise(values)):
        raise PydanticCustomError("not_rising", "not rising")
    return values


Epoch = Annotated[int, Field(ge=1, le=MOST_EPOCHS)]
Pixels = Annotated[int, Field(ge=1, le=LARGEST_IMAGE)]
Batch = Annotated[int, Field(ge=1, le=LARGEST_BATCH)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Seconds = Annotated[float, Field(ge=SHORTEST, le=LONGEST)]
Overhead = Annotated[float, Field(ge=0, le=LONGEST)]

RisingSizes = Annotated[
    tuple[Pixels, ...], Field(strict=False), AfterValidator(_not_empty), AfterValidator(_rising)
]
RisingEpochs = Annotated[
    tuple[Epoch, ...], Field(strict=False), AfterValidator(_not_empty), AfterValidator(_rising)
]
_RISING = "a list of whole numbers from 1 to {}, each larger than the one before, or null"
_SECONDS = f"a list of numbers from {SHORTEST} to {LONGEST}, or null"
_ONE_EACH = "one for each of progressive.resolutions"


class ProgressiveSection(Section):
    """Resolution and dropout that rise during training (arXiv 2509.26092, section 4).

    Lists have one value a resolution, in the order of `resolutions`.
    """

    mode: Annotated[ProgressiveMode, Timed("resolutions")] = Field(
        "off",
        description="cyclic: image resolution rises from the lowest to the highest within every "
        "stage; single: once over the whole run; off: images keep the resolution of the data",
    )
    resolutions: Annotated[RisingSizes | None, Timed("resolutions")] = Field(
        None,
        description="heights and widths of the training images in pixels",
        json_schema_extra={"allowed": _RISING.format(LARGEST_IMAGE)},
    )
    dropout: Annotated[tuple[Rate, ...], Field(strict=False)] | None = Field(
        None,
        description=f"dropout rates, {_ONE_EACH}; null: model.dropout throughout",
        json_schema_extra={"allowed": "a list of numbers from 0 to below 1, or null"},
    )
    large_batch: Annotated[tuple[Batch, ...], Field(strict=False)] | None = Field(
        None,
        description=f"samples in a large batch, B_L, {_ONE_EACH}; null: dual_batch.large_batch "
        "throughout",
        json_schema_extra={
            "allowed": f"a list of whole numbers from 1 to {LARGEST_BATCH}, or null"
        },
    )
    a: Annotated[tuple[Seconds, ...], Field(strict=False)] | None = Field(
        None,
        description=f"seconds per sample, {_ONE_EACH}; requires b; null: from time_model.profile",
        json_schema_extra={"allowed": _SECONDS},
    )
    b: Annotated[tuple[Seconds, ...], Field(strict=False)] | None = Field(
        None,
        description=f"seconds per batch, {_ONE_EACH}; requires a",
        json_schema_extra={"allowed": _SECONDS},
    )
    overhead: Annotated[tuple[Overhead, ...], Field(strict=False)] | None = Field(
        None,
        description=f"seconds a mini-epoch takes beyond its batches, {_ONE_EACH}; requires a and "
        "b; null: 0",
        json_schema_extra={"allowed": f"a list of numbers from 0 to {LONGEST}, or null"},
    )
    stage_ends: RisingEpochs | None = Field(
        None,
        description="last epoch of each stage of cyclic; null: a stage ends at each of "
        "schedule.milestones and at schedule.epochs",
        json_schema_extra={"allowed": _RISING.format(MOST_EPOCHS)},
    )
    sub_stage_ends: RisingEpochs | None = Field(
        None,
        description="last epoch of each resolution in turn, stage by stage; null: the "
        "resolutions of a stage share its epochs evenly",
        json_schema_extra={"allowed": _RISING.format(MOST_EPOCHS)},
    )

    evaluate_current: bool = Field(
        False,
        description="also evaluate at the current resolution of the training images, not only at "
        "the highest",
    )

    @property
    def sizes(self) -> tuple[int, ...]:
        """The resolutions; empty if the mode is off and none are given."""
        return self.resolutions or ()

    @model_validator(mode="after")
    def _one_value_a_resolution(self) -> ProgressiveSection:
        if self.mode == "off":
            return self
        if self.resolutions is None:
            raise across_keys(
                ("progressive.resolutions", "progressive.mode"),
                None,
                "give the resolutions from low to high, such as [24, 32], since progressive.mode "
                f"is {self.mode}",
            )
        for name in _PER_RESOLUTION:
            values = getattr(self, name)
            if values is not None and len(values) != len(self.resolutions):
                raise across_keys(
                    (f"progressive.{name}", "progressive.resolutions"),
                    values,
                    f"give {len(self.resolutions)} values, {_ONE_EACH} "
                    f"({_listed(self.resolutions)}), or null",
                )
        return self

    @model_validator(mode="after")
    def _whole_time_models(self) -> ProgressiveSection:
        if self.mode == "off":
            return self
        given = [name for name in ("a", "b") if getattr(self, name) is not None]
        if len(given) == 1:
            missing = "b" if given == ["a"] else "a"
            raise across_keys(
                (f"progressive.{missing}", f"progressive.{given[0]}"),
                None,
                f"give it, {_ONE_EACH}, since progressive.{given[0]} is given, or give neither",
            )
        if self.overhead is not None and not given:
            raise across_keys(
                ("progressive.overhead", "progressive.a", "progressive.b"),
                self.overhead,
                "it requires progressive.a and progressive.b; without them, give null",
            )
        return self


def check_progressive(
    progressive: ProgressiveSection, schedule: ScheduleSection, time_model: TimeModelSection
) -> None:
    """Checks that stages fit the run, and that there is one source of time models.

    Raises:
        PydanticCustomError: they do not, or there are two; it names the keys.
    """
    if progressive.mode == "off":
        return
    if progressive.a is not None and time_model.profile is not None:
        raise across_keys(
            ("time_model.profile", "progressive.a", "progressive.b"),
            str(time_model.profile),
            "give it or progressive.a and progressive.b, not both (progressive.a=null "
            "progressive.b=null unsets them)",
        )
    _check_stage_ends(progressive, schedule)
    if progressive.sub_stage_ends is not None:
        _check_sub_stage_ends(progressive, schedule, progressive.sub_stage_ends)
    else:
        _check_room(progressive, schedule)
    _check_local_epochs(progressive, schedule)


def stage_ends(progressive: ProgressiveSection, schedule: ScheduleSection) -> tuple[int, ...]:
    """Returns the last epoch of each stage; a stage goes through all resolutions."""
    if progressive.mode == "single":
        return (schedule.epochs,)
    if progressive.mode == "cyclic" and progressive.stage_ends is not None:
        return progressive.stage_ends
    return schedule.stage_ends


def _check_stage_ends(progressive: ProgressiveSection, schedule: ScheduleSection) -> None:
    ends = progressive.stage_ends
    if ends is None:
        if progressive.mode == "cyclic" and schedule.decay == "cosine":
            raise across_keys(
                ("progressive.stage_ends", "schedule.decay"),
                None,
                "with schedule.decay cosine, give the last epoch of each stage, ending with "
                f"{schedule.epochs} (schedule.epochs)",
            )
        return
    if progressive.mode != "cyclic":
        raise across_keys(
            ("progressive.stage_ends", "progressive.mode"),
            ends,
            f"give null, since progressive.mode is {progressive.mode}, which has one stage",
        )
    if ends[-1] != schedule.epochs:
        raise across_keys(
            ("progressive.stage_ends", "schedule.epochs"),
            ends,
            f"make the last one {schedule.epochs} (schedule.epochs)",
        )


def _check_sub_stage_ends(
    progressive: ProgressiveSection, schedule: ScheduleSection, ends: tuple[int, ...]
) -> None:
    stages, parts = stage_ends(progressive, schedule), len(progressive.sizes)
    if len(ends) != parts * len(stages) or ends[parts - 1 :: parts] != stages:
        raise across_keys(
            (
                "progressive.sub_stage_ends",
                "progressive.stage_ends",
                "progressive.resolutions",
                "schedule.milestones",
                "schedule.epochs",
            ),
            ends,
            f"give {parts * len(stages)} epochs, one for each of progressive.resolutions in each "
            f"stage, the last of which is the end of the stage (stages end at {_listed(stages)})",
        )


def _check_room(progressive: ProgressiveSection, schedule: ScheduleSection) -> None:
    parts = len(progressive.sizes)
    for start, end in pairwise((0, *stage_ends(progressive, schedule))):
        if end - start < parts:
            raise across_keys(
                (
                    "progressive.resolutions",
                    "progressive.stage_ends",
                    "schedule.milestones",
                    "schedule.epochs",
                ),
                progressive.resolutions,
                f"each needs an epoch, but the stage that ends with epoch {end} has only "
                f"{end - start}; give fewer resolutions or longer stages",
            )


def _check_local_epochs(progressive: ProgressiveSection, schedule: ScheduleSection) -> None:
    """Refuses local epochs at more than one resolution."""
    parts = len(progressive.sizes)
    start, end = ((0, *stage_ends(progressive, schedule)))[-2:]
    last = start + (end - start) * (parts - 1) // parts
    if progressive.sub_stage_ends is not None:
        last = ((0, *progressive.sub_stage_ends))[-2]
    if schedule.final_local_epochs > schedule.epochs - last:
        raise across_keys(
            ("schedule.final_local_epochs", "progressive.resolutions", "schedule.epochs"),
            schedule.final_local_epochs,
            f"give at most {schedule.epochs - last}, the epochs at the end of the run that have "
            "one resolution",
        )


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))
