"""The sections about a worker's training: `model`, `compute`, `training` and so on."""

from __future__ import annotations

import os
from typing import Annotated, Any

from pydantic import Field, model_validator
from pydantic.fields import FieldInfo

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.onednn import OneDnn, decide
from dbsl_tf.config.names import (
    DecayMode,
    LearningRateScaling,
    OptimizerState,
    Precision,
    PrecisionSetting,
    Stem,
)
from dbsl_tf.config.paths import UsablePath
from dbsl_tf.config.ranges import LARGEST_BATCH, LARGEST_FACTOR
from dbsl_tf.config.registries import MODELS, OPTIMIZERS, chosen_from
from dbsl_tf.config.section import Section, across_keys
from dbsl_tf.config.tags import Effect, Fixed, For, SameWork, Timed
from dbsl_tf.config.yaml_text import written

_OTHER_WEIGHTS = Fixed("the weights belong to another network")


# A name, or a name with options.
Metric = (
    Annotated[str, Field(min_length=1)]
    | Annotated[dict[str, dict[str, Any]], Field(min_length=1, max_length=1)]
)


class ModelSection(Section):
    """The network."""

    name: Annotated[
        str, chosen_from(MODELS), _OTHER_WEIGHTS, Timed("model", of_steps=True), SameWork()
    ] = Field(
        description="network; residual networks of 18, 34 and 50 layers start with 64 channels, "
        "the others with 16; or a function of yours that returns a Keras model",
        json_schema_extra={"allowed": MODELS.allowed},
    )
    options: Annotated[dict[str, Any], _OTHER_WEIGHTS, SameWork()] = Field(
        {},
        description="keyword arguments of a function of yours",
        json_schema_extra={"allowed": "a mapping of names to values"},
    )
    weights: Annotated[UsablePath | None, Effect.RESULT] = Field(
        None,
        description="weights to begin with: a .keras or .weights.h5 file of Keras, or the "
        "directory of a run; null: random ones, or those that a function of yours loads",
    )
    stem: Annotated[Stem | None, _OTHER_WEIGHTS, Timed("stem", of_steps=True)] = Field(
        None,
        description="first layers: cifar for small images; imagenet, which halves their size two "
        "more times; null: imagenet for an image_folder of images of at least 96 pixels, else "
        "cifar",
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout rate before the classifier")

    @model_validator(mode="after")
    def _nothing_without_effect(self) -> ModelSection:
        if MODELS.is_builtin(self.name):
            if self.options:
                raise across_keys(
                    ("model.options", "model.name"),
                    self.options,
                    f"leave it out, as {self.name} takes none; model.stem and model.dropout are "
                    "its options",
                )
            return self
        for key, value in (("stem", self.stem), ("dropout", self.dropout or None)):
            if value is not None:
                raise across_keys(
                    (f"model.{key}", "model.name"),
                    value,
                    f"leave it out: {self.name} is a model of yours, which has what it builds; "
                    "use model.options",
                )
        return self


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
    winograd: Annotated[bool, Timed("winograd", of_steps=True)] = Field(
        True,
        description="compute 3 x 3 convolutions of stride 1 with many channels by Winograd's "
        "minimal filtering, which is faster but takes more memory; it is used in float32 on CPUs "
        "with oneDNN, not with xla; results differ in the last digits",
    )

    @property
    def winograd_on_cpus(self) -> bool:
        """Whether `winograd` has an effect on workers that compute on CPUs."""
        in_float32 = self.precision in ("float32", "auto")
        onednn = decide(self.onednn, os.environ).on
        return self.winograd and in_float32 and not self.xla and bool(onednn)

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


class TrainingSection(Section):
    """What is minimised, and what is measured beside it."""

    loss: str | None = Field(
        None,
        min_length=1,
        description="loss: a name in keras.losses, or an import path package.module:attribute of "
        "a Keras loss or a function (y, prediction) -> [batch]; null: softmax cross-entropy of "
        "one-hot labels and logits",
        json_schema_extra={"allowed": "text, or null"},
    )
    loss_options: dict[str, Any] = Field(
        {},
        description="keyword arguments of the loss",
        json_schema_extra={"allowed": "{argument: value, ...}"},
    )
    metrics: Annotated[tuple[Metric, ...], Field(strict=False)] | None = Field(
        None,
        description="what is measured beside the loss: accuracy (the share of the samples whose "
        "class has the highest prediction), names in keras.metrics, or import paths like those of "
        "the loss; null: accuracy with the default loss, else nothing",
        json_schema_extra={
            "allowed": "a list of names and {name: {argument: value, ...}}, or null"
        },
    )

    @model_validator(mode="after")
    def _options_of_a_loss(self) -> TrainingSection:
        if self.loss is None and self.loss_options:
            raise across_keys(
                ("training.loss_options", "training.loss"),
                self.loss_options,
                "give {}, since training.loss is null, or name the loss",
            )
        return self

    @property
    def is_default(self) -> bool:
        """Whether it names nothing."""
        return self.loss is None and self.metrics is None

    @property
    def named_metrics(self) -> list[tuple[str, dict[str, Any]]]:
        """Name and options of each metric; empty where none are given."""
        return [
            (metric, {}) if isinstance(metric, str) else next(iter(metric.items()))
            for metric in self.metrics or ()
        ]


class OptimizerSection(Section):
    """The update rule of the workers.

    A key that only some optimisers have is `For` those.
    """

    name: Annotated[
        str,
        chosen_from(OPTIMIZERS),
        Fixed(
            "the state that is kept is that of another optimiser",
            if_both=("optimizer.state", "keep"),
        ),
        Timed("optimizer_name", added=True),
    ] = Field(
        "sgd",
        description="optimiser; adamw and lars (for large batches) usually need another base_lr "
        "than sgd, such as 0.001 and 1",
        json_schema_extra={"allowed": OPTIMIZERS.allowed},
    )
    options: Annotated[dict[str, Any], Timed("optimizer_options", added=True)] = Field(
        {},
        description="keyword arguments of an optimiser that has no keys of its own here",
        json_schema_extra={"allowed": "a mapping of names to values"},
    )
    base_lr: float = Field(0.1, gt=0, le=LARGEST_FACTOR, description="base learning rate")
    base_batch: int | None = Field(
        None,
        ge=1,
        le=LARGEST_BATCH,
        description="batch size that base_lr is meant for; null: the large batch",
    )
    lr_scaling: LearningRateScaling = Field(
        "none",
        description="learning rate of a worker: base_lr times 1, times batch/base_batch, or times "
        "the square root of that",
    )
    momentum: Annotated[float, For("sgd", "lars"), Timed("optimizer")] = Field(
        0.9, ge=0, lt=1, description="momentum of sgd and lars"
    )
    nesterov: Annotated[bool, For("sgd")] = Field(False, description="Nesterov momentum of sgd")
    weight_decay: Annotated[float, For("sgd", "adamw", "lars")] = Field(
        5e-4, ge=0, le=LARGEST_FACTOR, description="weight decay of sgd, adamw and lars"
    )
    decay_mode: Annotated[DecayMode, For("sgd")] = Field(
        "l2",
        description="weight decay of sgd: l2 adds it to the gradient, decoupled subtracts it from "
        "the weight, as adamw does",
    )
    decay_normalization: bool = Field(
        False,
        description="decay biases and normalisation parameters too; lars then scales their "
        "learning rate too",
    )
    beta_1: Annotated[float, For("adamw")] = Field(
        0.9, ge=0, lt=1, description="share of the mean gradient that adamw keeps in a step"
    )
    beta_2: Annotated[float, For("adamw")] = Field(
        0.999, ge=0, lt=1, description="share of the mean squared gradient that adamw keeps"
    )
    epsilon: Annotated[float, For("adamw")] = Field(
        1e-7,
        gt=0,
        le=LARGEST_FACTOR,
        description="what adamw adds to the root of the mean squared gradient",
    )
    trust_coefficient: Annotated[float, For("lars")] = Field(
        0.001,
        gt=0,
        le=LARGEST_FACTOR,
        description="length of a step of lars at learning rate 1, relative to a weight",
    )
    clip_norm: Annotated[float | None, Timed("clip_norm", added=True)] = Field(
        None,
        gt=0,
        le=LARGEST_FACTOR,
        description="largest norm of all gradients together, to which larger ones are scaled "
        "down; null: any",
    )
    state: Annotated[OptimizerState, Timed("optimizer")] = Field(
        "keep",
        description="state of the optimiser, such as momentum, at the beginning of a mini-epoch: "
        "keep what the worker had, as in arXiv 2509.26092, or reset as in COMPSAC 2022. What is "
        "kept goes to the parameter servers and back with the weights and is stored once for each "
        "worker: with momentum the bytes of the model once more, with adamw twice",
    )

    @model_validator(mode="after")
    def _nothing_without_effect(self) -> OptimizerSection:
        own = self.arguments
        if own and self.options:
            raise across_keys(
                ("optimizer.options", "optimizer.name"),
                self.options,
                f"leave it out, as {self.name} has the keys {', '.join(own)}",
            )
        for key, field in type(self).model_fields.items():
            only = _optimizers(field)
            value, default = getattr(self, key), field.default
            if only and self.name not in only and value != default:
                raise across_keys(
                    (f"optimizer.{key}", "optimizer.name"),
                    value,
                    f"it is for {' and '.join(only)}, and optimizer.name is {self.name}: leave it "
                    f"out or give {written(default)}"
                    + ("" if own else ", or use optimizer.options"),
                )
        return self

    @property
    def arguments(self) -> dict[str, Any]:
        """The values of the keys that the chosen optimiser has for itself; none: it has none."""
        fields = type(self).model_fields.items()
        return {key: getattr(self, key) for key, f in fields if self.name in _optimizers(f)}


def _optimizers(field: FieldInfo) -> tuple[str, ...]:
    """Names of the optimisers that a field is for; empty: all."""
    return next((tag.names for tag in field.metadata if isinstance(tag, For)), ())
