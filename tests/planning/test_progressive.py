"""The plan of a whole run against published figures, and what must hold for every one."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsl_tf.common.errors import UserError
from dbsl_tf.config import Config, load_config
from dbsl_tf.planning import (
    TimeModel,
    TrainingSchedule,
)
from dbsl_tf.resolved import resolve, settings_of, time_models_of

CONFIGS = Path(__file__).parents[2] / "configs"

# n_S, then B_S, d_S, d_L at resolution 24 and at 32; n = 4, d = 50000, k = 1.05.
# Source: arXiv 2509.26092, Table 6.
TABLE_6 = [
    (1, (130, 10625, 13125), (102, 10625, 13125)),
    (2, (230, 11875, 13125), (185, 11875, 13125)),
    (3, (294, 12292, 13125), (243, 12292, 13125)),
    (4, (340, 12500, None), (286, 12500, None)),
]

# Last epoch, learning rate, resolution, dropout. Source: arXiv 2509.26092, section 5.
CIFAR_100 = [
    (40, 0.2, 24, 0.1),
    (80, 0.2, 32, 0.2),
    (100, 0.02, 24, 0.1),
    (120, 0.02, 32, 0.2),
    (130, 0.002, 24, 0.1),
    (140, 0.002, 32, 0.2),
]
IMAGENET = [
    (20, 0.2, 160, 0.1),
    (40, 0.2, 224, 0.2),
    (60, 0.2, 288, 0.3),
    (70, 0.02, 160, 0.1),
    (80, 0.02, 224, 0.2),
    (90, 0.02, 288, 0.3),
    (95, 0.002, 160, 0.1),
    (100, 0.002, 224, 0.2),
    (105, 0.002, 288, 0.3),
]


def _schedule(config: Config) -> TrainingSchedule:
    return resolve(config).schedule


def _cifar_100(*overrides: str) -> TrainingSchedule:
    return _schedule(load_config(CONFIGS / "cifar100_hybrid.yaml", overrides))


def _rows(schedule: TrainingSchedule) -> list[tuple]:
    parts = [part.sub_stage for part in schedule.sub_stages]
    return [(part.last_epoch, part.learning_rate, part.resolution, part.dropout) for part in parts]


@pytest.mark.parametrize(("small_workers", "low", "high"), TABLE_6)
def test_the_hybrid_of_cifar_100_is_the_published_one(small_workers, low, high) -> None:
    schedule = _cifar_100(f"dual_batch.small_workers={small_workers}")
    assert _rows(schedule) == CIFAR_100
    assert [part.plan.large_batch for part in schedule.sub_stages] == (
        [600, 560] * 3 if small_workers < 4 else [None] * 6
    )
    shares = [
        (part.plan.small_batch, part.plan.small_samples, part.plan.large_samples)
        for part in schedule.sub_stages
    ]
    assert shares == [low, high] * 3


@pytest.mark.parametrize("small_workers", [1, 2, 3, 4])
def test_the_hybrid_saves_the_published_time(small_workers: int) -> None:
    # arXiv 2509.26092 measures 10.1 % less than with large batches only (k = 1.05).
    schedule = _cifar_100(f"dual_batch.small_workers={small_workers}")
    saved = 1 - schedule.predicted_seconds / schedule.all_large_seconds
    assert saved == pytest.approx(0.101, abs=0.01)
    # Half of the epochs are at each resolution: r24 takes 0.37733 ms a sample, r32 0.53343 ms.
    exact = 1 - (0.37733 + 0.53343) / 2 / 0.53343
    saved = 1 - schedule.predicted_seconds / schedule.plain_seconds
    assert saved == pytest.approx(exact, abs=0.005)


@pytest.mark.parametrize("small_workers", [1, 2, 3, 4])
def test_the_hybrid_of_imagenet_is_the_published_one(small_workers: int) -> None:
    override = f"dual_batch.small_workers={small_workers}"
    schedule = _schedule(load_config(CONFIGS / "imagenet_hybrid.yaml", [override]))
    assert _rows(schedule) == IMAGENET
    batches = [part.plan.small_batch for part in schedule.sub_stages]
    # B_S by Eq. 8 with d_L / d_S = k n_S / (n - k n_L), from the exact shares.
    ratio = 1.05 * small_workers / (4 - 1.05 * (4 - small_workers))
    expected = [
        round(b / ((a + b / large) * ratio - a))
        for a, b, large in (
            (0.0003013537830804257, 0.012036769987567586, 2330),
            (0.0005683767808602767, 0.01705088976279029, 1110),
            (0.0009387165655225843, 0.016659967832795497, 740),
        )
    ]
    assert batches == expected * 3
    # The paper measures 34.8 % less than with large batches only.
    saved = 1 - schedule.predicted_seconds / schedule.all_large_seconds
    assert saved == pytest.approx(0.348, abs=0.03)


def test_seconds_are_those_of_the_epochs_together() -> None:
    schedule = _cifar_100()
    low, high = schedule.plans[24], schedule.plans[32]
    assert [part.predicted_seconds for part in schedule.sub_stages] == pytest.approx(
        [40 * low.epoch_seconds, 40 * high.epoch_seconds]
        + [20 * low.epoch_seconds, 20 * high.epoch_seconds]
        + [10 * low.epoch_seconds, 10 * high.epoch_seconds]
    )
    assert schedule.predicted_seconds == pytest.approx(
        70 * (low.epoch_seconds + high.epoch_seconds)
    )
    assert schedule.plain is high
    assert schedule.plain_seconds == pytest.approx(140 * high.epoch_seconds)
    assert schedule.all_large_seconds == pytest.approx(140 * high.baseline_seconds)


def test_plain_is_the_run_that_is_off_and_all_large_the_one_without_small_workers() -> None:
    hybrid, plain = _cifar_100(), _cifar_100("progressive.mode=off")
    large = _cifar_100("progressive.mode=off", "dual_batch.small_workers=0")
    assert plain.plain == hybrid.plain
    assert plain.predicted_seconds == pytest.approx(hybrid.plain_seconds)
    assert large.predicted_seconds == pytest.approx(hybrid.all_large_seconds)


def test_off_has_one_plan_and_the_stages_of_the_learning_rate() -> None:
    config = load_config(CONFIGS / "cifar100_compsac.yaml")
    schedule = _schedule(config)
    plan = (settings := settings_of(config)).plan(time_models_of(settings)[32])
    assert schedule.plans == {32: plan}
    assert _rows(schedule) == [(80, 0.1, 32, 0.0), (120, 0.02, 32, 0.0), (140, 0.004, 32, 0.0)]
    assert schedule.predicted_seconds == pytest.approx(schedule.plain_seconds)


def test_the_sub_stage_of_an_epoch() -> None:
    schedule = _cifar_100()
    assert [schedule.at(epoch).sub_stage.resolution for epoch in (1, 40, 41, 80, 81, 140)] == [
        24,
        24,
        32,
        32,
        24,
        32,
    ]
    for epoch in (0, 141):
        with pytest.raises(ValueError, match="epochs 1 to 140"):
            schedule.at(epoch)


def test_the_dictionary_is_json_and_complete() -> None:
    values = _cifar_100().as_dict()
    assert json.loads(json.dumps(values)) == values
    seconds = values["schedule"][2].pop("predicted_seconds")
    assert values["schedule"][2] == {
        "first_epoch": 81,
        "last_epoch": 100,
        "learning_rate": 0.02,
        "last_learning_rate": 0.02,
        "resolution": 24,
        "dropout": 0.1,
        "mini_epochs": 20,
        "small_batch": 294,
        "large_batch": 600,
        "small_samples": 12292,
        "large_samples": 13125,
    }
    # 20 epochs of k (a + b/B_L) d/n seconds: Eq. 3 and 4.
    epoch = 1.05 * (0.00035268184915307385 + 0.014788833468238893 / 600) * 50_000 / 4
    assert seconds == pytest.approx(20 * epoch, rel=2e-3)
    assert values["schedule_seconds"]["predicted"] < values["schedule_seconds"]["all_large"]


def test_a_resolution_without_a_plan_is_named_with_its_keys() -> None:
    with pytest.raises(UserError) as caught:
        # The batch of resolution 32 falls below 1 before that of 24 does.
        _cifar_100("dual_batch.extra_time_ratio=1.3275", "dual_batch.small_workers=1")
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert "a batch below 1 to the small workers at resolution 32" in message
    assert "a larger progressive.large_batch (560)" in message
    assert "progressive.b (0.0155" in message
    assert "time_model" not in message


@given(
    st.lists(st.tuples(st.floats(1e-5, 1e-2), st.floats(1e-3, 0.1)), min_size=2, max_size=2),
    st.integers(1, 4),
    st.floats(0, 1),
)
def test_lower_resolutions_that_take_less_time_save_time(
    lines: list[tuple[float, float]], small_workers: int, overhead: float
) -> None:
    high = TimeModel(*map(max, zip(*lines)), overhead)
    low = TimeModel(*map(min, zip(*lines)), overhead)
    config = load_config(
        CONFIGS / "cifar100_hybrid.yaml",
        [
            f"dual_batch.small_workers={small_workers}",
            "progressive.large_batch=null",
            "dual_batch.extra_time_ratio=1.02",
        ],
    )
    schedule = settings_of(config).schedule({24: (low,) * 4, 32: (high,) * 4})
    # Whole batches may make an epoch a step longer.
    step = 140 * high.batch_seconds(560)
    assert schedule.predicted_seconds <= schedule.plain_seconds + step
    assert math.isclose(
        schedule.predicted_seconds, sum(part.predicted_seconds for part in schedule.sub_stages)
    )
