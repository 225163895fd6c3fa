from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from dbsl_tf.config import load_config
from dbsl_tf.planning import TimeModel, TrainingSchedule
from dbsl_tf.planning.schedule_report import print_schedule
from dbsl_tf.resolved import resolve, settings_of

CONFIG = Path(__file__).parents[2] / "configs" / "cifar100_hybrid.yaml"


def _schedule(*overrides: str) -> TrainingSchedule:
    return resolve(load_config(CONFIG, overrides)).schedule


def _printed(schedule: TrainingSchedule, width: int = 80) -> str:
    stream = io.StringIO()
    print_schedule(schedule, Console(file=stream, width=width))
    return stream.getvalue()


def _row(text: str, start: str) -> list[str]:
    return next(line for line in text.splitlines() if line.strip().startswith(start)).split()


def test_a_sub_stage_is_a_row() -> None:
    text = _printed(_schedule())
    assert "B_S  B_L" in text
    assert _row(text, "1-40") == "1-40 0.2 24 0.1 294 600 12,292 13,125 198.3".split()
    assert _row(text, "131-140") == "131-140 0.002 32 0.2 243 560 12,292 13,125 70.1".split()
    assert _row(text, "1-140") == ["1-140", "837.6"]


def test_it_is_compared_with_plain_dual_batch_and_all_large() -> None:
    text = _printed(_schedule())
    assert _row(text, "this run") == ["this", "run", "837.6"]
    assert _row(text, "plain dual-batch, resolution 32")[-3:] == ["981.4", "14.6%", "less"]
    assert _row(text, "large batches only, resolution 32")[-3:] == ["935.0", "10.4%", "less"]


def test_more_time_is_called_so() -> None:
    text = _printed(_schedule("progressive.a=[1e-3, 1e-3]", "progressive.b=[0.5, 0.01]"))
    assert "% more" in text


def test_a_role_without_workers_has_a_dash() -> None:
    text = _printed(_schedule("dual_batch.small_workers=0"))
    assert _row(text, "1-40") == "1-40 0.2 24 0.1 - 600 - 12,500 188.8".split()


def test_a_rate_that_falls_is_shown_from_first_to_last() -> None:
    cosine = ["schedule.decay=cosine", "schedule.milestones=[]", "progressive.mode=single"]
    text = _printed(_schedule(*cosine), 100)
    assert "0.2 to 0.1 " in text
    assert "0.1 to 2.5e-05" in text


def test_workers_that_differ_are_announced() -> None:
    settings = settings_of(load_config(CONFIG))
    models = {
        resolution: [TimeModel(factor * 5e-4, 0.01) for factor in (1, 1, 1, 2)]
        for resolution in (24, 32)
    }
    assert "Workers differ" in _printed(settings.schedule(models))
    assert "Workers differ" not in _printed(_schedule())


@pytest.mark.parametrize(("width", "widest"), [(60, 60), (80, 80), (500, 100)])
def test_the_width_is_bounded_and_nothing_is_cut(width: int, widest: int) -> None:
    text = _printed(_schedule(), width)
    assert max(map(len, text.splitlines())) <= widest
    assert "…" not in text
