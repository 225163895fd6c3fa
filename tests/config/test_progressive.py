"""The section `progressive`: what it allows, and the line a person gets for what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.config import Config, load_config

SHORT = """\
data: {name: cifar100}
model: {name: resnet18}
schedule: {epochs: 140, milestones: [80, 120]}
progressive: {mode: cyclic, resolutions: [24, 32]}
"""


@pytest.fixture
def short(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(SHORT)
    return path


def _refusal(path: Path, *overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        load_config(path, overrides)
    message = str(caught.value)
    assert message.startswith("override: ")
    assert len(message.splitlines()) == 1
    return message


def test_it_is_off_by_default(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("data: {name: digits}\nmodel: {name: resnet8}\nschedule: {epochs: 1}\n")
    assert load_config(path).progressive.mode == "off"


def test_a_full_section_reads_back_equal(short: Path, tmp_path: Path) -> None:
    config = load_config(
        short,
        [
            "progressive.dropout=[0, 0.5]",
            "progressive.large_batch=[600, 560]",
            "progressive.a=[1e-3, 2e-3]",
            "progressive.b=[1, 2]",
            "progressive.overhead=[0, 0.5]",
            "progressive.stage_ends=[100, 140]",
            "progressive.sub_stage_ends=[30, 100, 110, 140]",
        ],
    )
    assert config.progressive.b == (1.0, 2.0)
    assert config.progressive.sub_stage_ends == (30, 100, 110, 140)
    resolved = tmp_path / "resolved.yaml"
    resolved.write_text(config.to_yaml())
    assert load_config(resolved) == config


def test_off_leaves_the_rest_of_the_section_unused(short: Path) -> None:
    ends = "progressive.stage_ends=[3]"
    assert "progressive.stage_ends is [3]" in _refusal(short, ends)
    assert load_config(short, [ends, "progressive.mode=off"]).progressive.stage_ends == (3,)


def test_stages_of_the_schedule_end_with_the_milestones(short: Path) -> None:
    def ends(*overrides: str) -> tuple[int, ...]:
        return load_config(short, ["progressive.mode=off", *overrides]).schedule.stage_ends

    assert ends() == (80, 120, 140)
    assert ends("schedule.epochs=100") == (80, 100)
    assert ends("schedule.epochs=80") == (80,)
    assert ends("schedule.milestones=[]") == (140,)
    assert ends("schedule.milestones=[79.2, 79.5, 139.5]") == (80, 140)


@pytest.mark.parametrize(
    ("overrides", "key", "remedy"),
    [
        (["mode=cycle"], "progressive.mode is 'cycle'", "cyclic, single, off"),
        (["mode=false"], "progressive.mode is 'false'", "cyclic, single, off"),
        (["resolution=[24]"], "progressive.resolution is not a key", "progressive.resolutions?"),
        (["resolutions=null"], "progressive.resolutions is null", "progressive.mode is cyclic"),
        (["resolutions=[]"], "progressive.resolutions is []", "numbers from 1 to 2048"),
        (
            ["resolutions=[0, 24]"],
            "progressive.resolutions[0] is 0",
            "numbers from 1 to 2048",
        ),
        (["resolutions=[24.0]"], "progressive.resolutions[0] is 24.0", "whole numbers"),
        (
            ["resolutions=[32, 24]"],
            "progressive.resolutions is [32, 24]",
            "larger than the one before",
        ),
        (
            ["resolutions=[32, 32]"],
            "progressive.resolutions is [32, 32]",
            "larger than the one before",
        ),
        (["resolutions=32"], "progressive.resolutions is 32", "a list of whole numbers"),
        (["dropout=[0.1]"], "progressive.dropout is [0.1]", "give 2 values"),
        (["dropout=[0.1, 1]"], "progressive.dropout[1] is 1", "from 0 to below 1"),
        (["large_batch=[600]"], "progressive.large_batch is [600]", "(24, 32), or null"),
        (["large_batch=[600, 0]"], "progressive.large_batch[1] is 0", "numbers from 1 to 1000000"),
        (["a=[1, 2]"], "progressive.b is null", "since progressive.a is given"),
        (["b=[1, 2]"], "progressive.a is null", "since progressive.b is given"),
        (["a=[1, 0]"], "progressive.a[1] is 0", "numbers from 1e-12 to 1000000"),
        (["a=[1, 2]", "b=[1, 2, 3]"], "progressive.b is [1.0, 2.0, 3.0]", "give 2 values"),
        (["overhead=[1, 2]"], "progressive.overhead is [1.0, 2.0]", "without them, give null"),
        (["stage_ends=[9, 8]"], "progressive.stage_ends is [9, 8]", "larger than the one before"),
        (["stage_ends=[80, 141]"], "progressive.stage_ends is [80, 141]", "last one 140"),
        (["stage_ends=[139, 140]"], "progressive.resolutions is [24, 32]", "epoch 140 has only 1"),
        (["mode=single", "stage_ends=[140]"], "progressive.stage_ends is [140]", "one stage"),
        (["sub_stage_ends=[70, 140]"], "sub_stage_ends is [70, 140]", "end at 80, 120, 140"),
        (
            ["sub_stage_ends=[40, 81, 100, 120, 130, 140]"],
            "progressive.sub_stage_ends is [40, 81",
            "give 6 epochs",
        ),
        (["mode=single", "sub_stage_ends=[70, 139]"], "sub_stage_ends is [70, 139]", "2 epochs"),
    ],
)
def test_a_section_that_is_refused(
    short: Path, overrides: list[str], key: str, remedy: str
) -> None:
    message = _refusal(short, *(f"progressive.{override}" for override in overrides))
    assert key in message
    assert remedy in message


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["schedule.decay=linear"], "schedule.decay is 'linear'; give one of milestones, cosine"),
        (["schedule.decay=cosine"], "schedule.milestones is [80.0, 120.0]; give []"),
        (
            ["schedule.decay=cosine", "schedule.milestones=[]"],
            "progressive.stage_ends is null; with schedule.decay cosine, give the last epoch",
        ),
        (
            ["schedule.milestones=[80, 139]"],
            "epoch 140 has only 1; give fewer resolutions or longer stages",
        ),
        (
            ["time_model.profile=p.json", "progressive.a=[1, 2]", "progressive.b=[1, 2]"],
            "time_model.profile is 'p.json'; give it or progressive.a and progressive.b, not both",
        ),
    ],
)
def test_sections_that_do_not_fit(short: Path, overrides: list[str], expected: str) -> None:
    assert expected in _refusal(short, *overrides)


def test_cosine_with_stages_of_its_own_or_one_pass(short: Path) -> None:
    cosine = ["schedule.decay=cosine", "schedule.milestones=[]"]
    config: Config = load_config(short, [*cosine, "progressive.stage_ends=[60, 140]"])
    assert config.progressive.stage_ends == (60, 140)
    assert load_config(short, [*cosine, "progressive.mode=single"]).schedule.decay == "cosine"
