"""Which runs belong together, what they are called, and in what they differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsl_tf.reporting.comparison import (
    NOT_RECORDED,
    differences,
    group_runs,
    spread,
    value_text,
)
from dbsl_tf.reporting.recorded_run import RecordedRun


def _run(name: str, **config: Any) -> RecordedRun:
    keys = {key.replace("__", "."): value for key, value in config.items()}
    return RecordedRun(path=Path(name), workers=2, config=keys)


def test_runs_that_differ_in_the_seed_only_are_one_group() -> None:
    runs = [
        _run("a", run__seed=1, run__dir="a", dual_batch__small_workers=0),
        _run("b", run__seed=1, run__dir="b", dual_batch__small_workers=1),
        _run("c", run__seed=2, run__dir="c", dual_batch__small_workers=0),
    ]
    groups = group_runs(runs)
    assert [group.label for group in groups] == ["n_S = 0", "n_S = 1"]
    assert [[run.name for run in group.runs] for group in groups] == [["a", "c"], ["b"]]
    assert groups[0].seeds == "1, 2"
    assert [(d.key, d.values) for d in differences(groups)] == [
        ("dual_batch.small_workers", (0, 1))
    ]


def test_runs_without_a_configuration_are_never_one_group() -> None:
    assert [group.label for group in group_runs([_run("a"), _run("b")])] == ["a", "b"]


def test_without_small_workers_k_is_not_told() -> None:
    groups = group_runs(
        [
            _run("a", dual_batch__small_workers=0, dual_batch__extra_time_ratio=1.05),
            _run("b", dual_batch__small_workers=1, dual_batch__extra_time_ratio=1.05),
            _run("c", dual_batch__small_workers=1, dual_batch__extra_time_ratio=1.1),
        ]
    )
    assert [g.label for g in groups] == ["n_S = 0", "n_S = 1, k = 1.05", "n_S = 1, k = 1.1"]


def test_of_many_differences_a_label_has_those_that_tell_apart() -> None:
    many = {f"optimizer__key_{i}": 0 for i in range(6)}
    groups = group_runs(
        [
            _run("a", sync__mode="asp", **many),
            _run("b", sync__mode="bsp", **{key: 1 for key in many}),
        ]
    )
    assert [group.label for group in groups] == ["sync = asp", "sync = bsp"]


def test_a_key_that_a_configuration_lacks_is_not_recorded() -> None:
    groups = group_runs([_run("a", model__name="resnet8"), _run("b", data__name="digits")])
    assert dict((d.key, d.values) for d in differences(groups)) == {
        "model.name": ("resnet8", NOT_RECORDED),
        "data.name": (NOT_RECORDED, "digits"),
    }


def test_labels_that_would_be_the_same_are_names() -> None:
    groups = group_runs(
        [
            _run("a", data__name="/first/of/many/folders/with/data"),
            _run("b", data__name="/second/of/many/folders/with/data"),
        ]
    )
    assert [group.label for group in groups] == ["a", "b"]


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([1.05, 1.1])), min_size=1))
def test_every_run_is_in_one_group_and_labels_differ(settings: list[tuple[int, float]]) -> None:
    runs = [
        _run(
            f"run{i}",
            dual_batch__small_workers=small,
            dual_batch__extra_time_ratio=ratio,
            run__seed=i,
        )
        for i, (small, ratio) in enumerate(settings)
    ]
    groups = group_runs(runs)
    assert sorted(run.name for group in groups for run in group.runs) == sorted(
        run.name for run in runs
    )
    assert len(groups) == len(set(settings))
    assert len({group.label for group in groups}) == len(groups)


def test_spread_is_that_of_a_sample() -> None:
    found = spread([0.9, None, 0.8, 0.7])
    assert (found.mean, found.count) == (pytest.approx(0.8), 3)
    assert found.deviation == pytest.approx(0.1)
    assert spread([0.5]).deviation is None
    assert spread([None]) is None


def test_values_are_written_so_that_different_ones_differ() -> None:
    assert value_text(0.00075) == "0.00075"
    assert value_text(0.0001234567) != value_text(0.0001234568)
    assert value_text([9.0, None, True]) == "[9, null, true]"
