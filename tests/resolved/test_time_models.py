from __future__ import annotations

from pathlib import Path

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.config import load_config
from dbsl_tf.planning import TimeModel
from dbsl_tf.profiling.batch_times_file import profile_batch_times
from dbsl_tf.resolved import RunSettings, settings_of, time_models_of

SHORT = """\
data: {name: cifar10}
model: {name: resnet8}
cluster: {workers: 3}
schedule: {epochs: 1}
"""


def _settings(folder: Path, *overrides: str) -> RunSettings:
    path = folder / "run.yaml"
    path.write_text(SHORT)
    return settings_of(load_config(path, overrides), samples=6000)


def test_a_b_and_overhead_are_those_of_every_worker(tmp_path: Path) -> None:
    settings = _settings(
        tmp_path, "time_model.a=0.001", "time_model.b=0.02", "time_model.overhead=0.5"
    )
    models = time_models_of(settings)[32]
    assert models == (TimeModel(0.001, 0.02, 0.5),) * 3
    assert settings.plan(models).overhead_seconds == 0.5


def test_every_worker_is_planned_with_its_own_time_model(tmp_path: Path) -> None:
    models = [TimeModel(0.001, 0.02), TimeModel(0.002, 0.02), TimeModel(0.004, 0.02)]
    plan = _settings(tmp_path).plan(models)
    assert [worker.time_model for worker in plan.workers] == models
    assert plan.epoch_samples == 6000


def test_a_profile_gives_the_measured_values(tmp_path: Path) -> None:
    rows = [f"32,{size},{0.001 * size + 0.02}" for size in (8, 16, 32, 64, 128)]
    (tmp_path / "times.csv").write_text(
        "resolution,batch_size,seconds_per_batch\n" + "\n".join(rows)
    )
    profile = tmp_path / "profile.json"
    profile_batch_times(tmp_path / "times.csv").save(profile)
    settings = _settings(tmp_path, f"time_model.profile={profile}")
    models = time_models_of(settings)[32]
    assert len(models) == 3
    assert models[0].seconds_per_sample == pytest.approx(0.001)
    assert models[0].seconds_per_batch == pytest.approx(0.02)


def test_a_profile_that_is_not_there(tmp_path: Path) -> None:
    settings = _settings(tmp_path, "time_model.profile=none.json")
    with pytest.raises(UserError, match=r"none\.json"):
        time_models_of(settings)


def test_without_a_time_model_it_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        time_models_of(_settings(tmp_path))
    message = str(caught.value)
    assert "python -m dbsl_tf.profile --config FILE --output profile.json" in message
    assert "time_model.a and time_model.b" in message


HYBRID = ("progressive.mode=single", "progressive.resolutions=[24, 32]", "schedule.epochs=2")
LISTS = ("progressive.a=[0.001, 0.002]", "progressive.b=[0.02, 0.03]")


def _batch_times(folder: Path, *resolutions: int) -> str:
    """An override naming the profile of a batch-times file; without resolutions it knows none."""
    rows = [
        f"{prefix}{size},{0.001 * size + 0.02}"
        for prefix in [f"{resolution}," for resolution in resolutions] or [""]
        for size in (8, 16, 32, 64, 128)
    ]
    header = "resolution," * bool(resolutions) + "batch_size,seconds_per_batch"
    (folder / "times.csv").write_text("\n".join([header, *rows]))
    profile_batch_times(folder / "times.csv").save(folder / "profile.json")
    return f"time_model.profile={folder / 'profile.json'}"


def test_every_resolution_has_its_own_time_model(tmp_path: Path) -> None:
    settings = _settings(tmp_path, *HYBRID, *LISTS, "progressive.overhead=[0, 0.5]")
    models = {24: (TimeModel(0.001, 0.02),) * 3, 32: (TimeModel(0.002, 0.03, 0.5),) * 3}
    assert time_models_of(settings) == models


def test_without_the_hybrid_there_is_the_resolution_of_the_data(tmp_path: Path) -> None:
    settings = _settings(tmp_path, "time_model.a=0.001", "time_model.b=0.02")
    assert time_models_of(settings) == {32: (TimeModel(0.001, 0.02),) * 3}


def test_a_profile_of_all_resolutions(tmp_path: Path) -> None:
    settings = _settings(tmp_path, *HYBRID, _batch_times(tmp_path, 24, 28, 32))
    assert sorted(time_models_of(settings)) == [24, 32]


@pytest.mark.parametrize(
    ("measured", "missing"), [((32,), "24"), ((), "24 and 32"), ((24, 28), "32")]
)
def test_a_profile_without_a_resolution(
    tmp_path: Path, measured: tuple[int, ...], missing: str
) -> None:
    settings = _settings(tmp_path, *HYBRID, _batch_times(tmp_path, *measured))
    with pytest.raises(UserError) as caught:
        time_models_of(settings)
    assert f"has no fit for resolution {missing};" in str(caught.value)
    assert "progressive.a and progressive.b" in str(caught.value)


def test_without_time_models_of_the_resolutions_it_names_the_keys(tmp_path: Path) -> None:
    settings = _settings(tmp_path, *HYBRID, "time_model.a=0.001", "time_model.b=0.02")
    with pytest.raises(UserError) as caught:
        time_models_of(settings)
    assert "progressive.a and progressive.b are null" in str(caught.value)
    assert "resolution 24 and 32" in str(caught.value)


def test_whether_there_are_time_models(tmp_path: Path) -> None:
    own = ("time_model.a=0.001", "time_model.b=0.02")
    assert not _settings(tmp_path).time_source.is_known
    assert _settings(tmp_path, *own).time_source.is_known
    assert not _settings(tmp_path, *HYBRID, *own).time_source.is_known
    assert _settings(tmp_path, *HYBRID, *LISTS).time_source.is_known
    assert _settings(tmp_path, *HYBRID, "time_model.profile=p.json").time_source.is_known
