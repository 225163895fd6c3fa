"""Reads facts about a run from the name of the authors' result file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

_IMAGENET = 1_281_167
# Data set in the name: data.name, training samples, test samples.
_DATA_SETS = {
    "cifar10": ("cifar10", 50_000, 10_000),
    "cifar100": ("cifar100", 50_000, 10_000),
    "imagenet": ("image_folder", _IMAGENET, 50_000),
}
_JOURNAL = re.compile(
    r"(?:temp_)?(?P<plain>conf_)?(?P<data>cifar100?|imagenet)_resnet(?P<depth>18|34)"
    r"_e(?P<epochs>\d{1,4})_t(?P<percent>\d{3})_w(?P<world>\d{1,4})s(?P<small>\d{1,4})(?P<rest>.*)"
)
_COMPSAC = re.compile(
    r"tf(?:_(?P<rule>sqrt|nw))?\d*_extra(?P<ratio>\d\.\d+)"
    r"_(?P<small>\d{1,4})s_(?P<small_batch>\d{1,5})_(?P<large_batch>\d{1,5})"
)
_COMPSAC_BASELINE = re.compile(r"tf_\d+GPU_(?P<large_batch>\d{1,5})(?:_.*)?")
_UPDATE_FACTORS = {"sqrt": "sqrt", "nw": "none", None: "linear"}


@dataclass(frozen=True)
class NameFacts:
    """The facts in a file name, see `facts_of_name`; None: the name does not say.

    Attributes:
        keys: values of configuration keys, by dotted name, as far as they are known.
        small_workers: n_S.
        extra_time_ratio: k.
        train_samples, test_samples: images of the data set.
    """

    keys: dict[str, Any] = field(default_factory=dict)
    small_workers: int | None = None
    extra_time_ratio: float | None = None
    train_samples: int | None = None
    test_samples: int | None = None


def facts_of_name(stem: str, layout: str) -> NameFacts:
    """Returns the facts in the name of a file; see `dbsl_tf.authors_files`.

    Args:
        stem: the name without its suffix.
        layout: "journal" or "compsac".
    """
    if layout == "journal":
        match = _JOURNAL.fullmatch(stem)
        return _journal(match) if match else NameFacts()
    # The program of COMPSAC 2022 trains ResNet-18 on CIFAR-100, which its file names do not say.
    match = _COMPSAC.fullmatch(stem) or _COMPSAC_BASELINE.fullmatch(stem)
    return _compsac(match.groupdict()) if match else NameFacts()


def _journal(match: re.Match[str]) -> NameFacts:
    name, train_samples, test_samples = _DATA_SETS[match["data"]]
    rest = match["rest"].split("_")
    ratio = int(match["percent"]) / 100
    keys = {
        "data.name": name,
        "model.name": f"resnet{match['depth']}",
        "compute.precision": "mixed_float16" if "amp" in rest else "float32",
        "compute.xla": "xla" in rest,
        "cluster.workers": int(match["world"]) - 1,
        "dual_batch.small_workers": int(match["small"]),
        "dual_batch.extra_time_ratio": ratio,
        "dual_batch.rounding": "nearest",
        "merge.rule": "average",
        "schedule.epochs": int(match["epochs"]),
        "progressive.mode": "off" if match["plain"] else "cyclic",
    }
    if "noCycle" in rest:
        keys["progressive.mode"] = "single"
    return NameFacts(keys, int(match["small"]), ratio, train_samples, test_samples)


def _compsac(parts: dict[str, str]) -> NameFacts:
    small = int(parts.get("small", 0))
    ratio = float(parts.get("ratio", 1))
    _, train_samples, test_samples = _DATA_SETS["cifar100"]
    keys = {
        "data.name": "cifar100",
        "model.name": "resnet18",
        "dual_batch.small_workers": small,
        "dual_batch.large_batch": int(parts["large_batch"]),
        "dual_batch.extra_time_ratio": ratio,
        "dual_batch.rounding": "floor",
        "dual_batch.update_factor": _UPDATE_FACTORS[parts.get("rule")],
        "merge.rule": "interpolate",
    }
    return NameFacts(keys, small, ratio, train_samples, test_samples)


def batches_of_name(stem: str) -> dict[str, int]:
    """Returns the batch sizes in the name, by role."""
    match = _COMPSAC.fullmatch(stem) or _COMPSAC_BASELINE.fullmatch(stem)
    if match is None:
        return {}
    parts = match.groupdict()
    batches = {"large": int(parts["large_batch"])}
    if int(parts.get("small", 0)):
        batches["small"] = int(parts["small_batch"])
    return batches
