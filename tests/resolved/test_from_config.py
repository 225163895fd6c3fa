"""What a configuration comes to; its sub-stages against the published schedules."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsl_tf.common.errors import UserError
from dbsl_tf.config import Config, load_config
from dbsl_tf.planning import TimeModel
from dbsl_tf.resolved import resolve, settings_of
from dbsl_tf.schedules import LearningRateSchedule, ResolutionSettings

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
        for part in settings_of(config).sub_stages
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
    parts = settings_of(config).sub_stages
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
    assert settings_of(_config(CIFAR_100_TEXT, *lists)).resolutions == (
        ResolutionSettings(24, 0.2, 560),
        ResolutionSettings(32, 0.2, 560),
    )


def test_settings_of_a_resolution() -> None:
    settings = settings_of(_config(CIFAR_100_TEXT))
    assert settings.highest == ResolutionSettings(32, 0.2, 560)
    assert settings.by_resolution == {
        24: ResolutionSettings(24, 0.1, 600),
        32: ResolutionSettings(32, 0.2, 560),
    }
    with pytest.raises(ValueError, match="28"):
        settings.plan([TimeModel(1e-3, 1e-2)] * 2, 28)


def test_time_models_that_a_run_has_come_to_count_where_they_are_those_of_its_resolutions() -> None:
    times = ["progressive.a=[0.001, 0.002]", "progressive.b=[0.01, 0.02]"]
    config = _config(CIFAR_100_TEXT, *times)
    kept = {resolution: [TimeModel(5e-4, 5e-3)] * 2 for resolution in (24, 32)}
    assert resolve(config, kept=kept).time_models == kept
    assert resolve(config, kept=kept).schedule.plain.epoch_seconds < 15
    assert resolve(config, kept={32: kept[32]}).time_models == resolve(config).time_models
    assert resolve(config).time_models[24] == (TimeModel(0.001, 0.01),) * 2


def test_where_weights_are_evaluated() -> None:
    assert settings_of(_config(CIFAR_100_TEXT)).evaluated_resolutions == (32,)
    both = _config(CIFAR_100_TEXT, "progressive.evaluate_current=true")
    assert settings_of(both).evaluated_resolutions == (24, 32)


def test_what_is_due_and_who_may_begin() -> None:
    config = _config(CIFAR_100_TEXT, "cluster.workers=3", "schedule.eval_every=7", "sync.mode=ssp")
    settings = settings_of(config, samples=99)
    assert (settings.samples, settings.calendar.total) == (99, 420)
    assert settings.calendar.evaluation_due(21) and not settings.calendar.evaluation_due(18)
    assert settings.synchronization.bound == 1


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
    parts = settings_of(config).sub_stages
    epochs = [epoch for part in parts for epoch in range(part.first_epoch, part.last_epoch + 1)]
    assert epochs == list(range(1, config.schedule.epochs + 1))
    assert sum(part.epochs for part in parts) == config.schedule.epochs
    rates = settings_of(config).learning_rate
    for part in parts:
        for epoch in range(part.first_epoch, part.last_epoch + 1):
            assert rates.decayed_rate(epoch - 1) == part.learning_rate
        assert part.last_learning_rate == part.learning_rate
    for one, two in pairwise(parts):
        assert (one.resolution, one.learning_rate) != (two.resolution, two.learning_rate)


@given(_configurations())
def test_every_stage_goes_through_all_resolutions_evenly(config: Config) -> None:
    progressive, parts = config.progressive, settings_of(config).sub_stages
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


def test_the_schedule_of_a_configuration(tmp_path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(
        "data: {name: digits}\nmodel: {name: resnet8}\ntime_model: {a: 1, b: 1}\n"
        "cluster: {workers: 4}\noptimizer: {base_lr: 0.2}\n"
        "schedule: {epochs: 9, milestones: [3, 6], gamma: 0.5, warmup_epochs: 1}\n"
    )
    assert settings_of(load_config(path)).learning_rate == LearningRateSchedule(
        0.2, (3.0, 6.0), 0.5, 1.0, 4
    )


def test_the_cosine_of_a_configuration(tmp_path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(
        "data: {name: digits}\nmodel: {name: resnet8}\n"
        "schedule: {epochs: 9, decay: cosine, warmup_epochs: 1}\n"
    )
    assert settings_of(load_config(path)).learning_rate == LearningRateSchedule(
        0.1, (), 0.1, 1.0, 2, cosine_epochs=9.0
    )


_MERGES = (
    "data.train_samples=4000",
    "schedule.mini_epochs_per_epoch=4",
    "schedule.merge_interval=quadratic",
    "schedule.gamma=0.5",
)


def test_sub_stages_end_where_epochs_are_merged_less_often() -> None:
    text = "data: {name: cifar100}\nmodel: {name: resnet18}\n"
    text += "schedule: {epochs: 10, milestones: [4, 6, 9], final_local_epochs: 2}\n"
    settings = settings_of(_config(text, *_MERGES))
    parts = settings.sub_stages
    rate = settings.learning_rate.base_learning_rate
    assert [(p.first_epoch, p.last_epoch, p.mini_epochs) for p in parts] == [
        (1, 4, 4), (5, 6, 1), (7, 8, 1), (9, 10, Fraction(1, 2)),
    ]  # fmt: skip
    # The milestone at 9 comes too late for what is trained from the end of epoch 8 on.
    assert [p.learning_rate for p in parts] == [rate, rate / 2, rate / 4, rate / 4]
    assert parts[-1].last_learning_rate == rate / 4
    n = settings.cluster.workers
    assert settings.calendar.total == n * (16 + 4 + 1)
    schedule = settings.schedule({32: [TimeModel(1e-3, 1e-2, 0.5)] * n})
    assert [part.plan.mini_epochs for part in schedule.sub_stages] == [4, 1, 1, Fraction(1, 2)]
    assert schedule.plain is schedule.sub_stages[0].plan
    assert schedule.sub_stages[1].plan is schedule.sub_stages[2].plan
    assert [part["mini_epochs"] for part in schedule.as_dict()["schedule"]] == [16, 2, 2, 1]
    seconds = [part.predicted_seconds for part in schedule.sub_stages]
    assert schedule.predicted_seconds == pytest.approx(sum(seconds))
    # What all would take at the highest resolution, merged as often as at first.
    assert schedule.all_large_seconds < schedule.plain_seconds == 10 * schedule.plain.epoch_seconds
    assert schedule.all_large_seconds == pytest.approx(schedule.plain_seconds, rel=0.1)
    # The overhead of 0.5 s counts 16 times, and once.
    assert seconds[0] - 16 * 0.5 == pytest.approx(2 * (seconds[3] - 0.5), rel=0.1)


def test_the_warm_up_rises_in_as_many_steps_as_it_has_mini_epochs() -> None:
    text = "data: {name: cifar100}\nmodel: {name: resnet18}\noptimizer: {base_lr: 0.8}\n"
    text += "schedule: {epochs: 4, warmup_epochs: 1, mini_epochs_per_epoch: 4}\n"
    settings = settings_of(_config(text, "cluster.workers=2"))
    rates = [settings.learning_rate.learning_rate(settings.calendar.position(n)) for n in range(9)]
    assert rates == pytest.approx([0.1 * n for n in range(1, 9)] + [0.8])


def test_local_epochs_have_one_resolution() -> None:
    assert settings_of(_config(CIFAR_100_TEXT, "schedule.final_local_epochs=10")).calendar.total
    for local, remedy in ((11, 10), (140, 10)):
        with pytest.raises(UserError, match=f"_epochs is {local}.*give at most {remedy}, the ep"):
            _config(CIFAR_100_TEXT, f"schedule.final_local_epochs={local}")
    given = "progressive.sub_stage_ends=[40, 80, 100, 120, 137, 140]"
    assert _config(CIFAR_100_TEXT, given, "schedule.final_local_epochs=3")
    with pytest.raises(UserError, match="give at most 3, the epochs"):
        _config(CIFAR_100_TEXT, given, "schedule.final_local_epochs=4")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["schedule.merge_interval=quadratic"], "schedule.merge_interval is 'quadratic'; give con"),
        (["schedule.final_local_epochs=141"], "give 0 to 140 .schedule.epochs."),
        (["schedule.mini_epochs_per_epoch=0"], "schedule.mini_epochs_per_epoch is 0"),
        (["schedule.merge_interval=cubic"], "schedule.merge_interval is 'cubic'; give one of con"),
    ],
)
def test_what_cannot_be_merged_is_refused(overrides: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said) as refused:
        _config(CIFAR_100_TEXT, *overrides)
    assert len(str(refused.value).splitlines()) == 1
