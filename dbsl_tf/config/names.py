"""The names a configuration can choose from."""

from __future__ import annotations

from typing import Literal, get_args

DatasetName = Literal["digits", "cifar10", "cifar100", "image_folder"]
ModelName = Literal[
    "resnet8",
    "resnet20",
    "resnet32",
    "resnet44",
    "resnet56",
    "resnet18",
    "resnet34",
    "resnet50",
    "mobilenet_v2",
]
Stem = Literal["cifar", "imagenet"]
Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
PrecisionSetting = Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"]
TransferType = Literal["float32", "bfloat16"]
Rounding = Literal["nearest", "floor"]
UpdateFactor = Literal["linear", "sqrt", "throughput", "none"]
LearningRateScaling = Literal["none", "linear", "sqrt"]
SyncMode = Literal["asp", "bsp", "ssp"]
OptimizerState = Literal["reset", "keep"]
Resume = Literal["auto", "never", "must"]
DecayMode = Literal["l2", "decoupled"]
Isolation = Literal["auto", "require", "off"]
WeightAverage = Literal["none", "ema", "last"]
LearningRateDecay = Literal["milestones", "cosine"]
MergeInterval = Literal["constant", "quadratic"]
ProgressiveMode = Literal["cyclic", "single", "off"]
DelayDistribution = Literal["constant", "exponential", "pareto"]

# The papers' names of the merge rules, which configurations and run directories may still have.
MERGE_RULE_ALIASES = {"journal": "average", "compsac": "interpolate"}

DATASET_NAMES: tuple[str, ...] = get_args(DatasetName)
MODEL_NAMES: tuple[str, ...] = get_args(ModelName)
