"""The sections of the configuration: every key, its type, range, default and meaning.

The description of a field is what `--help` prints; its type and range are what a refusal names.
"""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from dbsl_tf.config.augment import AUGMENTATIONS, Augmentation, AugmentStep
from dbsl_tf.config.names import (
    DatasetName,
    DecayMode,
    Isolation,
    LearningRateDecay,
    LearningRateScaling,
    MergeRule,
    ModelName,
    OptimizerState,
    Precision,
    Resume,
    Rounding,
    Stem,
    SyncMode,
    UpdateFactor,
)
from dbsl_tf.config.section import Section, across_keys
from dbsl_tf.config.sizes import bytes_of
from dbsl_tf.data.catalogue import DATASETS, dataset_spec
from dbsl_tf.data.image_folder import IMAGE_SIZE


def _usable_path(path: Path) -> Path:
    if "\0" in str(path):
        raise PydanticCustomError(
            "not_allowed", "{allowed}", {"allowed": "give a path without NUL"}
        )
    try:
        return path.expanduser()
    except RuntimeError:  # "~name" of a user this machine does not know
        return path


UsablePath = Annotated[Path, Field(strict=False), AfterValidator(_usable_path)]


class DataSection(Section):
    """The training images."""

    name: DatasetName = Field(
        description="data set; image_folder: JPEG and PNG files in data.dir/train and "
        "data.dir/val, a folder for every class"
    )
    dir: UsablePath | None = Field(
        None, description="folder that holds the data sets; null: the user's cache folder"
    )
    train_samples: int | None = Field(
        None, ge=1, description="train on the first so many samples only; null: all of them"
    )
    image_size: int | None = Field(
        None,
        ge=8,
        le=2048,
        description="height and width to which images are resized, in pixels; null: those of the "
        "data set, 224 for image_folder",
    )
    max_bad_files: int = Field(
        0, ge=0, description="unreadable images that image_folder may leave out"
    )
    augment: Annotated[tuple[Augmentation, ...], Field(strict=False)] = Field(
        (),
        description="augmentations in the order they are applied, each a name or "
        "{name: {parameter: value}}",
        json_schema_extra={"allowed": f"a list of {', '.join(AUGMENTATIONS)}"},
    )

    @field_validator("train_samples", mode="after")
    @classmethod
    def _within_the_data_set(cls, samples: int | None, info: Any) -> int | None:
        name = info.data.get("name")
        if samples is not None and name in DATASETS:
            available = dataset_spec(name).train_samples
            if samples > available:
                raise PydanticCustomError(
                    "not_allowed",
                    "{allowed}",
                    {"allowed": f"give null or 1 to {available}, all that {name} has"},
                )
        return samples

    @field_validator("augment", mode="after")
    @classmethod
    def _framing_first(cls, steps: tuple[AugmentStep, ...]) -> tuple[AugmentStep, ...]:
        if any(step.name == "random_resized_crop" for step in steps[1:]):
            raise PydanticCustomError(
                "not_allowed",
                "{allowed}",
                {"allowed": "random_resized_crop makes the size of the images: put it first, once"},
            )
        return steps

    @property
    def resolution(self) -> int:
        """Height and width of the images the network sees, in pixels."""
        native = DATASETS[self.name].image_size if self.name in DATASETS else IMAGE_SIZE
        return self.image_size or native


class ModelSection(Section):
    """The network."""

    name: ModelName = Field(description="residual network; 18 and 34 start 64 wide, others 16")
    stem: Stem | None = Field(
        None,
        description="first layers: cifar, a 3x3 convolution; imagenet, a 7x7 convolution and a "
        "pooling which halve the size each; null: imagenet for image_folder, else cifar",
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout rate before the classifier")


class ComputeSection(Section):
    """How the workers compute."""

    precision: Precision = Field(
        "float32",
        description="of the layers up to the pooling; weights, batch statistics, classifier and "
        "loss are float32 with any, and mixed_float16 scales the loss",
    )
    xla: bool = Field(
        False, description="compile the training step by XLA, once for each batch size"
    )


class ClusterSection(Section):
    """The parameter-server cluster."""

    workers: int = Field(2, ge=1, description="workers, n")
    parameter_servers: int = Field(1, ge=1, description="parameter servers")
    connect_timeout: float = Field(
        120.0, gt=0, description="seconds to wait for all servers of the cluster"
    )
    worker_timeout: float | None = Field(
        None,
        gt=0,
        description="seconds after which a mini-epoch that does not come back is given to another "
        "worker; null: 10 times its planned time, at least 20",
    )
    max_restarts: int = Field(
        10,
        ge=0,
        description="how often in a run dead servers of a local cluster are started again, or the "
        "run goes on from a checkpoint because a parameter server was lost",
    )
    isolation: Isolation = Field(
        "auto",
        description="a network namespace keeps others out of a cluster on this machine; where the "
        "system refuses it, auto warns and require stops. No effect with TF_CONFIG",
    )


class DualBatchSection(Section):
    """Small- and large-batch workers (Lu et al., COMPSAC 2022; arXiv 2509.26092)."""

    small_workers: int = Field(
        1, ge=0, description="workers with the small batch, n_S; at most cluster.workers"
    )
    large_batch: int = Field(128, ge=1, description="samples in a large batch, B_L")
    extra_time_ratio: float = Field(
        1.05,
        ge=1,
        description="time of an epoch relative to large batches only, k; a larger k gives "
        "smaller small batches",
    )
    rounding: Rounding = Field(
        "nearest",
        description="how the plan of equal workers without overhead becomes whole: nearest as in "
        "arXiv 2509.26092, floor as in COMPSAC 2022",
    )
    update_factor: UpdateFactor = Field(
        "linear",
        description="weight of a small worker's update, f: d_S/d_L, its square root, or 1",
    )
    merge: MergeRule = Field(
        "journal",
        description="how weights w enter the global g: journal (g + f w)/(1 + f), compsac "
        "((2 - f) g + f w)/2",
    )
    replan: bool = Field(
        False,
        description="plan anew at the end of an epoch when the observed time of a batch is more "
        "than 10 % off the plan's",
    )


class SyncSection(Section):
    """Synchronisation of the workers."""

    mode: SyncMode = Field(
        "asp",
        description="asp: nobody waits; bsp: all wait for each other after each mini-epoch, and "
        "their weights are averaged; ssp: nobody gets more than staleness ahead",
    )
    staleness: int | None = Field(
        1,
        ge=0,
        description="with ssp: mini-epochs that a worker may be ahead of the slowest one and still "
        "begin another, s; 0: as bsp, null: as asp",
    )


class TimeModelSection(Section):
    """Time of a mini-epoch: a B + b seconds a batch of B samples, and an overhead."""

    a: float | None = Field(
        None, gt=0, description="seconds a sample, the same on every worker; with b"
    )
    b: float | None = Field(None, gt=0, description="seconds a batch; with a")
    overhead: float = Field(
        0.0,
        ge=0,
        description="seconds a mini-epoch takes beyond its batches, to pull and push the "
        "weights; with a and b",
    )
    profile: UsablePath | None = Field(
        None,
        description="file that dbsl_tf.profile wrote, with the measured values of each worker; "
        "instead of a, b and overhead",
    )

    @model_validator(mode="after")
    def _one_source(self) -> TimeModelSection:
        """Refuses half a time model, and two of them: which one counts must be plain to see."""
        given = [name for name in ("a", "b") if getattr(self, name) is not None]
        if len(given) == 1:
            missing = "b" if given == ["a"] else "a"
            meaning = {"a": "seconds a sample", "b": "seconds a batch"}[missing]
            raise across_keys(
                (f"time_model.{missing}", f"time_model.{given[0]}"),
                None,
                f"give it ({meaning}), as time_model.{given[0]} is given, or neither",
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
                "it goes with time_model.a and time_model.b; without them give 0",
            )
        return self


class ProfileSection(Section):
    """The measurement of time and memory by dbsl_tf.profile."""

    max_batch: int | None = Field(
        None, ge=2, description="largest batch to measure; null: dual_batch.large_batch"
    )
    memory_budget: Annotated[int, Field(gt=0), BeforeValidator(bytes_of)] | None = Field(
        None,
        description="memory that a step may take, in bytes; null: what the device has free",
        json_schema_extra={
            "allowed": "a number of bytes above 0, such as 8000000000, 8GB or 8GiB, or null"
        },
    )
    seconds: float = Field(120.0, gt=0, description="time that measuring one resolution may take")


class OptimizerSection(Section):
    """Stochastic gradient descent."""

    base_lr: float = Field(0.1, gt=0, description="base learning rate")
    base_batch: int | None = Field(
        None, ge=1, description="batch size base_lr belongs to; null: the large batch"
    )
    lr_scaling: LearningRateScaling = Field(
        "none",
        description="learning rate of a worker: base_lr times 1, times batch/base_batch, or times "
        "the square root of that",
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum")
    weight_decay: float = Field(5e-4, ge=0, description="weight decay")
    decay_mode: DecayMode = Field(
        "l2",
        description="l2 adds the decay to the gradient, decoupled subtracts it from the weight",
    )
    decay_normalization: bool = Field(
        False, description="decay biases and normalisation parameters too"
    )
    nesterov: bool = Field(False, description="Nesterov momentum")
    state: OptimizerState = Field(
        "reset",
        description="momentum at the beginning of a mini-epoch: reset to zero as in COMPSAC 2022, "
        "or keep what the worker had, as in arXiv 2509.26092; that sends it with the weights",
    )


class ScheduleSection(Section):
    """Length of the run and learning rate over time; an epoch is one commit of every worker."""

    epochs: int = Field(ge=1, description="epochs to train")
    decay: LearningRateDecay = Field(
        "milestones",
        description="how the learning rate falls: by gamma at each milestone, or along half a "
        "cosine from the end of the warm-up to 0 at the end of the run",
    )
    milestones: Annotated[tuple[float, ...], Field(strict=False)] = Field(
        (),
        description="epochs at which the learning rate is multiplied by gamma; those at or past "
        "epochs have no effect",
        json_schema_extra={"allowed": "a list of numbers above 0, each above the one before"},
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
                "give [], as schedule.decay is cosine, or schedule.decay milestones",
            )
        return self

    @property
    def stage_ends(self) -> tuple[int, ...]:
        """Last epochs of the stages between milestones; the last is `epochs`.

        An epoch in which a milestone falls is the last of its stage: its beginning has that rate.
        """
        ends = {math.ceil(milestone) for milestone in self.milestones if milestone < self.epochs}
        return tuple(sorted(ends | {self.epochs}))


class CheckpointSection(Section):
    """What is kept to go on from after an interruption."""

    every: int = Field(1, ge=1, description="epochs between checkpoints")
    keep: int = Field(3, ge=1, description="how many checkpoints to keep")


class RunSection(Section):
    """Where results go, whether a run goes on, and the seed."""

    dir: UsablePath | None = Field(
        None, description="folder of the results; null: runs/<configuration>-<time>"
    )
    resume: Resume = Field(
        "auto",
        description="whether to go on with the run in run.dir: auto if it has a checkpoint, never, "
        "or must",
    )
    tensorboard: bool = Field(
        True, description="write event files for TensorBoard too, in the folder tensorboard"
    )
    seed: int = Field(
        0, ge=0, le=2**31 - 1, description="seed of weights, shuffling and augmentation"
    )
