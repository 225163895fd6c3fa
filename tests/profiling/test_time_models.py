from __future__ import annotations

from pathlib import Path

import pytest

from dbsl_tf.config import Config, load_config
from dbsl_tf.errors import UserError
from dbsl_tf.planning import TimeModel, plan_from_config
from dbsl_tf.profiling.sweep_file import profile_sweep
from dbsl_tf.profiling.time_models import time_models_from_config

SHORT = """\
data: {name: cifar10}
model: {name: resnet8}
cluster: {workers: 3}
schedule: {epochs: 1}
"""


def _config(folder: Path, *overrides: str) -> Config:
    path = folder / "run.yaml"
    path.write_text(SHORT)
    return load_config(path, overrides)


def test_a_b_and_overhead_are_those_of_every_worker(tmp_path: Path) -> None:
    config = _config(tmp_path, "time_model.a=0.001", "time_model.b=0.02", "time_model.overhead=0.5")
    models = time_models_from_config(config)
    assert models == (TimeModel(0.001, 0.02, 0.5),) * 3
    assert plan_from_config(config, 6000, models).overhead_seconds == 0.5


def test_every_worker_is_planned_with_its_own_time_model(tmp_path: Path) -> None:
    models = [TimeModel(0.001, 0.02), TimeModel(0.002, 0.02), TimeModel(0.004, 0.02)]
    plan = plan_from_config(_config(tmp_path), 6000, models)
    assert [worker.time_model for worker in plan.workers] == models
    assert plan.epoch_samples == 6000


def test_a_profile_gives_the_measured_values(tmp_path: Path) -> None:
    rows = [f"32,{size},{0.001 * size + 0.02}" for size in (8, 16, 32, 64, 128)]
    (tmp_path / "times.csv").write_text(
        "resolution,batch_size,seconds_per_batch\n" + "\n".join(rows)
    )
    profile = tmp_path / "profile.json"
    profile_sweep(tmp_path / "times.csv").save(profile)
    config = _config(tmp_path, f"time_model.profile={profile}")
    models = time_models_from_config(config)
    assert len(models) == 3
    assert models[0].seconds_per_sample == pytest.approx(0.001)
    assert models[0].seconds_per_batch == pytest.approx(0.02)


def test_a_profile_that_is_not_there(tmp_path: Path) -> None:
    config = _config(tmp_path, "time_model.profile=none.json")
    with pytest.raises(UserError, match=r"none\.json"):
        time_models_from_config(config)


def test_without_a_time_model_it_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        time_models_from_config(_config(tmp_path))
    message = str(caught.value)
    assert "python -m dbsl_tf.profile --config FILE --output profile.json" in message
    assert "time_model.a and time_model.b" in message
