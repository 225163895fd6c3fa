"""The whole configuration."""

from __future__ import annotations

from pydantic import Field, model_validator

from dbsl_tf.config.progressive import ProgressiveSection, check_progressive
from dbsl_tf.config.section import Section, across_keys
from dbsl_tf.config.sections import (
    CheckpointSection,
    ClusterSection,
    DataSection,
    DualBatchSection,
    ModelSection,
    OptimizerSection,
    ProfileSection,
    RunSection,
    ScheduleSection,
    SyncSection,
    TimeModelSection,
)
from dbsl_tf.config.yaml_text import write_yaml


class Config(Section):
    """A training run, as read by `load_config`. Immutable; every value has been checked."""

    data: DataSection
    model: ModelSection
    cluster: ClusterSection = Field(default_factory=ClusterSection)
    dual_batch: DualBatchSection = Field(default_factory=DualBatchSection)
    sync: SyncSection = Field(default_factory=SyncSection)
    time_model: TimeModelSection = Field(default_factory=TimeModelSection)
    profile: ProfileSection = Field(default_factory=ProfileSection)
    optimizer: OptimizerSection = Field(default_factory=OptimizerSection)
    schedule: ScheduleSection
    checkpoint: CheckpointSection = Field(default_factory=CheckpointSection)
    progressive: ProgressiveSection = Field(default_factory=ProgressiveSection)
    run: RunSection = Field(default_factory=RunSection)

    @model_validator(mode="after")
    def _no_more_small_workers_than_workers(self) -> Config:
        small, workers = self.dual_batch.small_workers, self.cluster.workers
        if small > workers:
            raise across_keys(
                ("dual_batch.small_workers", "cluster.workers"),
                small,
                f"give 0 to {workers} (cluster.workers), or more cluster.workers",
            )
        return self

    @model_validator(mode="after")
    def _progressive_fits(self) -> Config:
        check_progressive(self.progressive, self.schedule, self.time_model)
        return self

    def to_yaml(self) -> str:
        """Returns YAML with every key written out; `load_config` reads it back to an equal one."""
        return write_yaml(self.model_dump(mode="json"))
