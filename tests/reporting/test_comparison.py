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
from dbsl_tf.reporting.comparison_section import comparison_section
from dbsl_tf.reporting.recorded_run import RecordedRun


def _run(name: str, data: dict[str, Any] | None = None, **config: Any) -> RecordedRun:
    keys = {key.replace("__", "."): value for key, value in config.items()}
    return RecordedRun(path=Path(name), workers=2, config=keys, data=data or {})


def _dual_batch_runs(settings: list[tuple[int, float]]) -> list[RecordedRun]:
    """A run for each n_S and k, with a seed of its own."""
    return [
        _run(
            f"run{i}",
            dual_batch__small_workers=small,
            dual_batch__extra_time_ratio=ratio,
            run__seed=i,
        )
        for i, (small, ratio) in enumerate(settings)
    ]


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
    # That is not all.
    assert [group.label for group in groups] == ["sync = asp, …", "sync = bsp, …"]


def test_other_data_and_another_network_are_always_told() -> None:
    groups = group_runs(
        [
            _run(
                "a",
                data__name="digits",
                dual_batch__small_workers=1,
                dual_batch__extra_time_ratio=1.1,
                optimizer__base_lr=0.1,
                schedule__epochs=2,
            ),
            _run(
                "b",
                data__name="cifar10",
                dual_batch__small_workers=1,
                dual_batch__extra_time_ratio=1.05,
                optimizer__base_lr=0.2,
                schedule__epochs=3,
            ),
        ]
    )
    assert [group.label for group in groups] == ["data = digits, …", "data = cifar10, …"]


def test_keys_that_an_older_run_lacks_are_no_further_differences() -> None:
    newer = {f"optimizer__key_{i}": i for i in range(6)}
    groups = group_runs([_run("a", sync__mode="asp"), _run("b", sync__mode="bsp", **newer)])
    assert [group.label for group in groups] == ["sync = asp", "sync = bsp"]
    groups = group_runs([_run("a", sync__mode="asp"), _run("b", sync__mode="asp", data__new=None)])
    assert len(groups) == 1


def test_runs_on_other_data_of_the_same_name_are_not_repetitions() -> None:
    asked = {"run__seed": 0, "data__name": "image_folder", "sync__mode": "asp"}
    runs = [
        _run(name, {"classes": classes, "train_samples": 60}, data__dir=name, **asked)
        for name, classes in (("a", 3), ("b", 4), ("c", 3))
    ]
    groups = group_runs(runs)
    assert [[run.name for run in group.runs] for group in groups] == [["a", "c"], ["b"]]
    assert [group.label for group in groups] == ["a", "b"]
    assert [(d.key, d.values) for d in differences(groups)] == [("data.json: classes", (3, 4))]


def test_runs_with_the_same_seed_are_told_as_what_they_are() -> None:
    repeated = [
        _run(f"run{i}", run__seed=seed, sync__mode="asp") for i, seed in enumerate((0, 0, 3))
    ]
    (group,) = group_runs(repeated)
    assert (group.seeds, group.spread_over) == ("0 (2 runs), 3", "runs")
    (group,) = group_runs(repeated[1:])
    assert (group.seeds, group.spread_over) == ("0, 3", "seeds")
    caption = comparison_section(group_runs(repeated)).summary.caption
    assert caption.startswith("Mean ± sample standard deviation over the runs, some of which have")
    caption = comparison_section(group_runs(repeated[1:])).summary.caption
    assert caption.startswith("Mean ± sample standard deviation over the seeds.")


def test_without_small_workers_k_makes_no_difference() -> None:
    runs = _dual_batch_runs([(0, 1.05), (0, 1.1), (1, 1.05), (1, 1.1)])
    groups = group_runs(runs)
    assert [len(group.runs) for group in groups] == [2, 1, 1]
    assert [g.label for g in groups] == ["n_S = 0", "n_S = 1, k = 1.05", "n_S = 1, k = 1.1"]


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
    runs = _dual_batch_runs(settings)
    groups = group_runs(runs)
    assert sorted(run.name for group in groups for run in group.runs) == sorted(
        run.name for run in runs
    )
    kinds = {(small, ratio if small else None) for small, ratio in settings}
    assert len(groups) == len(kinds)
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
