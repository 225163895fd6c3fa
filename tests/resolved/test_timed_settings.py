"""What profiles are kept by."""

from __future__ import annotations

from pathlib import Path

from dbsl_tf.config import load_config
from dbsl_tf.resolved import settings_of
from dbsl_tf.resolved.timed_settings import timed_settings

CONFIG = Path(__file__).parents[2] / "configs" / "quickstart.yaml"


def _timed(*overrides: str) -> dict[str, object]:
    return timed_settings(settings_of(load_config(CONFIG, overrides), samples=1))


def test_names_and_values_are_those_that_profiles_are_already_kept_by() -> None:
    """Others would have every run measured again."""
    assert _timed("compute.onednn=off", "data.augment=[{random_crop: {padding: 2}}]") == {
        "model": "resnet8",
        "stem": "cifar",
        "precision": "float32",
        "xla": False,
        "onednn": False,
        "winograd": False,
        "resolutions": [32],
        "data": "digits",
        "files": None,
        "optimizer": [0.9, "keep"],
        "augment": [{"random_crop": {"padding": 2}}],
        "transfer_dtype": "float32",
        "servers": [2, 1],
    }


def test_winograd_counts_where_it_has_an_effect() -> None:
    assert _timed("compute.onednn=on")["winograd"] is True
    for without in ("winograd=false", "xla=true", "precision=mixed_bfloat16"):
        assert _timed("compute.onednn=on", f"compute.{without}")["winograd"] is False


def test_a_younger_key_counts_where_it_is_given() -> None:
    assert not {"optimizer_name", "optimizer_options", "clip_norm"} & _timed().keys()
    given = _timed("optimizer.name=a:B", "optimizer.options={c: 1}", "optimizer.clip_norm=2")
    assert given["optimizer_name"] == "a:B"
    assert given["optimizer_options"] == {"c": 1}
    assert given["clip_norm"] == 2


def test_the_folder_counts_where_the_images_are_the_users_own() -> None:
    assert _timed("data.name=image_folder", "data.image_size=32", "data.dir=/a")["files"] == "/a"
    assert _timed("data.dir=/a")["files"] is None


def test_resolutions_that_rise() -> None:
    rising = _timed("progressive.mode=single", "progressive.resolutions=[16, 24]")
    assert rising["resolutions"] == [16, 24]
