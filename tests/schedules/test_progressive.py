"""The run in sub-stages, against the published schedules and for any configuration."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsl_tf.config import Config, load_config
from dbsl_tf.schedules import (
    ResolutionSettings,
    resolution_settings,
    schedule_from_config,
    settings_at,
    sub_stages_from_config,
)

# Epochs, learning rate, resolution, dropout, B_L. Source: arXiv 2509.26092, section 5.
CIFAR_100 = [
    (1, 40, 0.2, 24, 0.1, 600),
    (41, 80, 0.2, 32, 0.2, 560),
    (81, 100, 0.02, 24, 0.1, 600),
    (101, 120, 0.02, 32, 0.2, 560),
    (121, 130, 0.002, 24, 0.1, 600),
    (131, 140, 0.002, 32, 0.2, 560),
]
CIFAR_100_TEXT = """\
data: {name: cifar100}
model: {name: resnet18, dropout: 0.2}
dual_batch: {large_batch: 560}
optimizer: {base_lr: 0.2}
schedule: {epochs: 140, milestones: [80, 120], gamma: 0.1}
progressive: {mode: cyclic, resolutions: [24, 32], dropout: [0.1, 0.2], large_batch: [600, 560]}
"""

IMAGENET_TEXT = """\
data: {name: cifar100}
model: {name: resnet18}
optimizer: {base_lr: 0.2}
schedule: {epochs: 105, milestones: [60, 90], gamma: 0.1}
progressive:
  mode: cyclic
  resolutions: [160, 224, 288]
  dropout: [0.1, 0.2, 0.3]
  large_batch: [2330, 1110, 740]
"""
IMAGENET_ENDS = [20, 40, 60, 70, 80, 90, 95, 100, 105]


def _config(text: str, *overrides: str) -> Config:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.yaml"
        path.write_text(text)
        return load_config(path, overrides)


def _rows(config: Config) -> list[tuple]:
    return [
        (
            part.first_epoch,
            part.last_epoch,
            part.learning_rate,
            part.resolution,
            part.dropout,
            part.large_batch,
        )
        for part in sub_stages_from_config(config)
    ]


def test_the_published_schedule_of_cifar_100() -> None:
    assert _rows(_config(CIFAR_100_TEXT)) == CIFAR_100


def test_the_published_schedule_of_imagenet() -> None:
    rows = _rows(_config(IMAGENET_TEXT))
    settings = [(160, 0.1, 2330), (224, 0.2, 1110), (288, 0.3, 740)] * 3
    rates = [0.2] * 3 + [0.02] * 3 + [0.002] * 3
    assert [row[1] for row in rows] == IMAGENET_ENDS
    assert [row[2] for row in rows] == rates
    assert [row[3:] for row in rows] == settings


def test_given_ends_are_those_of_the_even_division() -> None:
    ends = "progressive.sub_stage_ends=[40, 80, 100, 120, 130, 140]"
    assert _rows(_config(CIFAR_100_TEXT, ends)) == CIFAR_100


def test_given_ends_may_be_uneven() -> None:
    ends = "progressive.sub_stage_ends=[10, 80, 100, 120, 139, 140]"
    assert [row[:2] for row in _rows(_config(CIFAR_100_TEXT, ends))] == [
        (1, 10),
        (11, 80),
        (81, 100),
        (101, 120),
        (121, 139),
        (140, 140),
    ]


def test_single_rises_once_and_the_rate_falls_at_the_milestones() -> None:
    assert _rows(_config(CIFAR_100_TEXT, "progressive.mode=single")) == [
        (1, 70, 0.2, 24, 0.1, 600),
        (71, 80, 0.2, 32, 0.2, 560),
        (81, 120, 0.02, 32, 0.2, 560),
        (121, 140, 0.002, 32, 0.2, 560),
    ]


def test_off_has_the_stages_of_the_learning_rate() -> None:
    assert _rows(_config(CIFAR_100_TEXT, "progressive.mode=off")) == [
        (1, 80, 0.2, 32, 0.2, 560),
        (81, 120, 0.02, 32, 0.2, 560),
        (121, 140, 0.002, 32, 0.2, 560),
    ]


def test_stages_of_its_own_beside_milestones() -> None:
    rows = _rows(_config(CIFAR_100_TEXT, "progressive.stage_ends=[100, 140]"))
    assert [row[:4] for row in rows] == [
        (1, 50, 0.2, 24),
        (51, 80, 0.2, 32),
        (81, 100, 0.02, 32),
        (101, 120, 0.02, 24),
        (121, 140, 0.002, 32),
    ]


def test_a_cosine_falls_inside_the_stages() -> None:
    config = _config(
        CIFAR_100_TEXT,
        "schedule.decay=cosine",
        "schedule.milestones=[]",
        "progressive.stage_ends=[70, 140]",
    )
    parts = sub_stages_from_config(config)
    assert [(part.last_epoch, part.resolution) for part in parts] == [
        (35, 24),
        (70, 32),
        (105, 24),
        (140, 32),
    ]
    assert parts[0].learning_rate == 0.2
    assert parts[2].learning_rate == pytest.approx(0.1)
    assert all(part.last_learning_rate < part.learning_rate for part in parts)


def test_left_out_lists_are_those_of_the_run() -> None:
    lists = ["progressive.dropout=null", "progressive.large_batch=null"]
    assert resolution_settings(_config(CIFAR_100_TEXT, *lists)) == (
        ResolutionSettings(24, 0.2, 560),
        ResolutionSettings(32, 0.2, 560),
    )


def test_settings_of_a_resolution() -> None:
    config = _config(CIFAR_100_TEXT)
    assert settings_at(config) == settings_at(config, 32) == ResolutionSettings(32, 0.2, 560)
    assert settings_at(config, 24) == ResolutionSettings(24, 0.1, 600)
    with pytest.raises(ValueError, match="28"):
        settings_at(config, 28)


@st.composite
def _configurations(draw: st.DrawFn) -> Config:
    resolutions = draw(st.sets(st.integers(1, 512), min_size=1, max_size=4).map(sorted))
    lengths = draw(st.lists(st.integers(len(resolutions), 30), min_size=1, max_size=5))
    ends = [sum(lengths[: index + 1]) for index in range(len(lengths))]
    mode = draw(st.sampled_from(["cyclic", "single", "off"]))
    warmup = draw(st.integers(0, 5))
    return _config(
        f"data: {{name: digits}}\nmodel: {{name: resnet8}}\n"
        f"schedule: {{epochs: {ends[-1]}, milestones: {ends[:-1]}, warmup_epochs: {warmup}}}\n"
        f"progressive: {{mode: {mode}, resolutions: {resolutions}}}\n"
    )


@given(_configurations())
def test_sub_stages_are_all_epochs_once_with_the_rate_of_each(config: Config) -> None:
    parts = sub_stages_from_config(config)
    epochs = [epoch for part in parts for epoch in range(part.first_epoch, part.last_epoch + 1)]
    assert epochs == list(range(1, config.schedule.epochs + 1))
    assert sum(part.epochs for part in parts) == config.schedule.epochs
    rates = schedule_from_config(config)
    for part in parts:
        for epoch in range(part.first_epoch, part.last_epoch + 1):
            assert rates.decayed_rate(epoch - 1) == part.learning_rate
        assert part.last_learning_rate == part.learning_rate
    for one, two in pairwise(parts):
        assert (one.resolution, one.learning_rate) != (two.resolution, two.learning_rate)


@given(_configurations())
def test_every_stage_goes_through_all_resolutions_evenly(config: Config) -> None:
    progressive, parts = config.progressive, sub_stages_from_config(config)
    resolutions = [part.resolution for part in parts]
    stages = len(config.schedule.stage_ends)
    if progressive.mode == "cyclic":
        assert resolutions == list(progressive.resolutions) * stages
        for number in range(stages):
            size = len(progressive.resolutions)
            lengths = [part.epochs for part in parts[number * size : (number + 1) * size]]
            assert max(lengths) - min(lengths) <= 1
    elif progressive.mode == "single":
        assert resolutions == sorted(resolutions)
        assert set(resolutions) == set(progressive.resolutions)
    else:
        assert resolutions == [32] * stages
