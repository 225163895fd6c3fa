"""The whole configuration."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from dbsl_tf.config.catalogue import IMAGE_FOLDER
from dbsl_tf.config.cluster_sections import ClusterSection, DualBatchSection, SyncSection
from dbsl_tf.config.data_section import DataSection
from dbsl_tf.config.evaluation_section import EvaluationSection
from dbsl_tf.config.merge_section import MergeSection, check_merge
from dbsl_tf.config.names import Precision, PrecisionSetting, Stem
from dbsl_tf.config.progressive_section import ProgressiveSection, check_progressive
from dbsl_tf.config.run_sections import CheckpointSection, RunSection
from dbsl_tf.config.schedule_section import ScheduleSection
from dbsl_tf.config.section import Section, across_keys
from dbsl_tf.config.simulate_section import SimulateSection
from dbsl_tf.config.tags import Effect
from dbsl_tf.config.time_sections import ProfileSection, TimeModelSection
from dbsl_tf.config.training_sections import (
    ComputeSection,
    ModelSection,
    OptimizerSection,
    TrainingSection,
)
from dbsl_tf.config.yaml_text import write_yaml

# Images of at least this size leave enough pixels to the imagenet stem and three strided stages.
_SMALLEST_IN_BFLOAT16 = 32
# From this size on, images are large enough for the imagenet stem: it and the stages leave 3 by 3
# of 96 pixels.
_SMALLEST_OF_IMAGENET_STEM = 96


class Config(Section):
    """The configuration of a run, as read by `load_config`. Immutable; every value is checked."""

    data: DataSection
    model: Annotated[ModelSection, Effect.RESULT]
    compute: Annotated[ComputeSection, Effect.RESULT] = Field(default_factory=ComputeSection)
    cluster: ClusterSection = Field(default_factory=ClusterSection)
    dual_batch: Annotated[DualBatchSection, Effect.RESULT] = Field(default_factory=DualBatchSection)
    merge: Annotated[MergeSection, Effect.RESULT] = Field(default_factory=MergeSection)
    sync: Annotated[SyncSection, Effect.RESULT] = Field(default_factory=SyncSection)
    time_model: TimeModelSection = Field(default_factory=TimeModelSection)
    profile: Annotated[ProfileSection, Effect.CONDUCT] = Field(default_factory=ProfileSection)
    training: Annotated[TrainingSection, Effect.RESULT] = Field(default_factory=TrainingSection)
    optimizer: Annotated[OptimizerSection, Effect.RESULT] = Field(default_factory=OptimizerSection)
    schedule: Annotated[ScheduleSection, Effect.RESULT]
    evaluation: Annotated[EvaluationSection, Effect.RESULT] = Field(
        default_factory=EvaluationSection
    )
    checkpoint: Annotated[CheckpointSection, Effect.CONDUCT] = Field(
        default_factory=CheckpointSection
    )
    progressive: Annotated[ProgressiveSection, Effect.RESULT] = Field(
        default_factory=ProgressiveSection
    )
    simulate: Annotated[SimulateSection, Effect.CONDUCT] = Field(default_factory=SimulateSection)
    run: RunSection = Field(default_factory=RunSection)

    @model_validator(mode="after")
    def _no_more_of_them_than_workers(self) -> Config:
        workers = self.cluster.workers
        for key, least, number in (
            ("dual_batch.small_workers", 0, self.dual_batch.small_workers),
            ("cluster.min_workers", 1, self.cluster.min_workers),
        ):
            if number is not None and number > workers:
                raise across_keys(
                    (key, "cluster.workers"),
                    number,
                    f"give {least} to {workers} (cluster.workers), or raise cluster.workers",
                )
        return self

    @model_validator(mode="after")
    def _merge_fits_synchronization(self) -> Config:
        check_merge(self.merge, self.sync.in_rounds)
        return self

    @model_validator(mode="after")
    def _progressive_fits(self) -> Config:
        if self.progressive.mode != "off" and not self.data.is_builtin:
            raise across_keys(
                ("progressive.mode", "data.name"),
                self.progressive.mode,
                f"give off: it needs images that can be resized, and {self.data.name} is a "
                "function of yours",
            )
        check_progressive(self.progressive, self.schedule, self.time_model)
        return self

    @model_validator(mode="after")
    def _large_enough_for_bfloat16(self) -> Config:
        if self.compute.precision == "mixed_bfloat16" and not self.allows_bfloat16:
            off = self.progressive.mode == "off"
            raise across_keys(
                (
                    "data.image_size" if off else "progressive.resolutions",
                    "model.stem",
                    "compute.precision",
                ),
                self._resolutions[0],
                f"give at least {_SMALLEST_IN_BFLOAT16}, which the imagenet stem needs in "
                "mixed_bfloat16, or set model.stem=cifar or compute.precision=float32",
            )
        return self

    @property
    def allows_bfloat16(self) -> bool:
        """Whether the images are large enough for mixed_bfloat16.

        A strided convolution of a single pixel has a wrong gradient in bfloat16 on CPUs (TensorFlow
        2.21 with oneDNN): taps beyond the pixel are left uninitialised.
        """
        return self.stem != "imagenet" or self._resolutions[0] >= _SMALLEST_IN_BFLOAT16

    @property
    def _resolutions(self) -> list[int]:
        """Returns the sizes of the images from low to high."""
        if self.progressive.mode == "off":
            return [self.data.resolution]
        return sorted(self.progressive.sizes)

    @property
    def precision(self) -> Precision:
        """The settled `compute.precision`; see `ComputeSection.settled_precision`."""
        return self.compute.settled_precision

    def with_precision(self, precision: PrecisionSetting) -> Config:
        """Returns the same configuration with another `compute.precision`."""
        return self.model_copy(update={"compute": self.compute.with_precision(precision)})

    @property
    def stem(self) -> Stem:
        """First layers of the network: `model.stem`, or the stem that suits the images."""
        if self.model.stem is not None:
            return self.model.stem
        large = self._resolutions[-1] >= _SMALLEST_OF_IMAGENET_STEM
        return "imagenet" if large and self.data.name == IMAGE_FOLDER else "cifar"

    def to_yaml(self) -> str:
        """Returns YAML with every key; `load_config` reads it back as an equal configuration."""
        return write_yaml(self.model_dump(mode="json"))
