"""Which runs share a profile."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbsl_tf.config import load_config
from dbsl_tf.measuring.profile_cache import cache_path
from dbsl_tf.resolved import settings_of

CONFIG = Path(__file__).parents[2] / "configs" / "quickstart.yaml"


def _path(*overrides: str, device: str = "a processor", threads: int = 1, servers=()) -> Path:
    settings = settings_of(load_config(CONFIG, overrides), samples=1)
    return cache_path(settings, device, threads, servers)


def test_the_same_training_step_has_the_same_file() -> None:
    same = _path("optimizer.base_lr=0.3", "schedule.epochs=3", "dual_batch.extra_time_ratio=1.2")
    assert same == _path()


def test_whatever_changes_the_step_changes_the_file() -> None:
    paths = [
        _path(),
        _path("model.name=resnet20"),
        _path("cluster.workers=3"),
        _path("data.name=cifar10"),
        _path("data.augment=[]"),
        _path("data.image_size=24"),
        _path("model.stem=imagenet"),
        _path("data.augment=[{random_translation: {height_factor: 0.2}}]"),
        _path(device="another"),
        _path(threads=2),
        _path("compute.precision=mixed_bfloat16"),
        _path("compute.xla=true"),
        _path("compute.onednn=off"),
        _path("compute.onednn=on", "compute.winograd=false"),
        _path("cluster.parameter_servers=2"),
        _path("optimizer.state=reset"),
        _path("cluster.transfer_dtype=bfloat16"),
        _path("data.name=image_folder", "data.image_size=32", "data.dir=/a"),
        _path("data.name=image_folder", "data.image_size=32", "data.dir=/b"),
        _path(servers=["host:1", "host:2", "host:3"]),
        _path("progressive.mode=single", "progressive.resolutions=[16, 32]"),
    ]
    assert len(set(paths)) == len(paths)


def test_the_name_tells_what_it_is_for() -> None:
    assert _path().name.startswith("resnet8-float32-32px-2w-")
    assert _path().suffix == ".json"


def test_it_lies_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert _path().parent == tmp_path / "dbsl_tf" / "profiles"
