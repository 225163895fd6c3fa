"""Which sizes and mixes are timed, from plans made of known time models."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbsl_tf.config import load_config
from dbsl_tf.measuring.operating_sizes import operating_mixes, operating_sizes
from dbsl_tf.planning import TimeModel
from dbsl_tf.resolved import RunSettings, settings_of

CONFIG = Path(__file__).parents[2] / "configs" / "quickstart.yaml"
MODELS = (TimeModel(7.5e-4, 2.4e-3), TimeModel(8e-4, 2.4e-3))
SCAN = (4, 8, 16, 32, 64)


def _settings(*overrides: str) -> RunSettings:
    return settings_of(load_config(CONFIG, overrides))


def test_the_sizes_are_those_of_the_plan() -> None:
    settings = _settings("dual_batch.extra_time_ratio=1.1")
    plan = settings.plan(MODELS)
    assert operating_sizes(settings, MODELS, SCAN) == (plan.small_batch, 64)


@pytest.mark.parametrize("override", ["small_workers=0", "extra_time_ratio=1"])
def test_without_a_small_batch_there_is_still_a_line(override: str) -> None:
    assert operating_sizes(_settings(f"dual_batch.{override}"), MODELS, SCAN) == (32, 64)


def test_without_a_plan_the_scan_gives_the_smallest() -> None:
    assert operating_sizes(_settings(), None, SCAN) == (4, 64)
    assert operating_sizes(_settings("dual_batch.extra_time_ratio=9"), MODELS, SCAN) == (4, 64)


def test_nothing_is_timed_beyond_the_scan() -> None:
    small, large = operating_sizes(_settings(), MODELS, (4, 8))
    assert (small, large) == (4, 8)


@pytest.mark.parametrize(
    ("small_workers", "expected"),
    [
        (0, [[9, 9], [3, 3]]),
        (1, [[9, 9], [3, 9], [9, 3]]),
        (2, [[9, 9], [3, 3]]),
    ],
)
def test_every_worker_is_timed_with_both_sizes(small_workers: int, expected: list) -> None:
    assert operating_mixes(2, small_workers, (3, 9)) == expected
