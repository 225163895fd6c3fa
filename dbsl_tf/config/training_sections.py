"""The sections about a worker's training: `model`, `compute`, `optimizer`, `schedule`."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.onednn import OneDnn
from dbsl_tf.config.names import (
    DecayMode,
    LearningRateDecay,
    LearningRateScaling,
    ModelName,
    OptimizerState,
    Precision,
    PrecisionSetting,
    Stem,
)
from dbsl_tf.config.section import Section, across_keys
from dbsl_tf.config.tags import Fixed, SameWork, Timed

_OTHER_WEIGHTS = Fixed("the weights belong to another network")


class ModelSection(Section):
    """The network."""

    name: Annotated[ModelName, _OTHER_WEIGHTS, Timed("model", of_steps=True), SameWork()] = Field(
        description="network; residual networks of 18, 34 and 50 layers start with 64 channels, "
        "the others with 16"
    )
    stem: Annotated[Stem | None, _OTHER_WEIGHTS, Timed("stem", of_steps=True)] = Field(
        None,
        description="first layers: cifar for small images; imagenet, which halves their size two "
        "more times; null: imagenet for image_folder, else cifar",
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout rate before the classifier")


class ComputeSection(Section):
    """How the workers compute."""

    precision: Annotated[PrecisionSetting, Timed("precision", of_steps=True), SameWork()] = Field(
        "float32",
        description="precision of the layers up to the pooling; weights, batch statistics, "
        "classifier and loss are always float32, and mixed_float16 scales the loss; auto: "
        "mixed_bfloat16 if the processors or GPUs support it and it is measured to be faster at "
        "the start of the run, else float32",
    )
    xla: Annotated[bool, Timed("xla", of_steps=True), SameWork()] = Field(
        False, description="compile the training step with XLA, once for each batch size"
    )
    onednn: Annotated[OneDnn, Timed("onednn", of_steps=True)] = Field(
        "auto",
        description="TensorFlow's oneDNN operations, which are faster on most processors; auto: on "
        "for x86 processors, unless TF_ENABLE_ONEDNN_OPTS says otherwise; on and off override "
        "that variable",
    )

    @property
    def settled_precision(self) -> Precision:
        """The precision once it is settled.

        Raises:
            UserError: it is still auto, which only training and profiling settle.
        """
        if self.precision == "auto":
            raise UserError(
                "compute.precision is auto, which only dbsl_tf.train and dbsl_tf.profile measure; "
                "give float32, mixed_bfloat16 or mixed_float16"
            )
        return self.precision

    def with_precision(self, precision: PrecisionSetting) -> ComputeSection:
        """Returns the same section with another precision."""
        return self.model_copy(update={"precision": precision})


class OptimizerSection(Section):
    """Stochastic gradient descent."""

    base_lr: float = Field(0.1, gt=0, description="base learning rate")
    base_batch: int | None = Field(
        None, ge=1, description="batch size that base_lr is meant for; null: the large batch"
    )
    lr_scaling: LearningRateScaling = Field(
        "none",
        description="learning rate of a worker: base_lr times 1, times batch/base_batch, or times "
        "the square root of that",
    )
    momentum: Annotated[float, Timed("optimizer")] = Field(0.9, ge=0, lt=1, description="momentum")
    weight_decay: float = Field(5e-4, ge=0, description="weight decay")
    decay_mode: DecayMode = Field(
        "l2",
        description="l2 adds the decay to the gradient, decoupled subtracts it from the weight",
    )
    decay_normalization: bool = Field(
        False, description="decay biases and normalisation parameters too"
    )
    nesterov: bool = Field(False, description="Nesterov momentum")
    state: Annotated[OptimizerState, Timed("optimizer")] = Field(
        "reset",
        description="momentum at the beginning of a mini-epoch: reset to zero as in COMPSAC "
        "2022, or keep what the worker had, as in arXiv 2509.26092, which sends it along with "
        "the weights",
    )


class ScheduleSection(Section):
    """Length of the run and learning rate over time; an epoch is one commit of every worker."""

    epochs: Annotated[int, SameWork()] = Field(ge=1, description="epochs to train")
    decay: LearningRateDecay = Field(
        "milestones",
        description="how the learning rate falls: by gamma at each milestone, or along half a "
        "cosine from the end of the warm-up to 0 at the end of the run",
    )
    milestones: Annotated[tuple[float, ...], Field(strict=False)] = Field(
        (),
        description="epochs at which the learning rate is multiplied by gamma; those at or "
        "beyond schedule.epochs have no effect",
        json_schema_extra={"allowed": "a list of numbers above 0, each larger than the one before"},
    )
    gamma: float = Field(0.1, gt=0, description="factor of the learning rate at a milestone")
    warmup_epochs: float = Field(
        0.0, ge=0, description="epochs over which the learning rate rises linearly to base_lr"
    )
    eval_every: int = Field(1, ge=1, description="epochs between evaluations on the test set")

    @field_validator("milestones", mode="after")
    @classmethod
    def _rising(cls, milestones: tuple[float, ...]) -> tuple[float, ...]:
        if any(later <= earlier for earlier, later in pairwise((0.0, *milestones))):
            raise PydanticCustomError("not_rising", "not rising")
        return milestones

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
