"""Whether a profile was measured as a run computes."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbsl_tf.common.onednn import VARIABLE
from dbsl_tf.config import load_config
from dbsl_tf.profiling.fitting import WorkerPoints, fit_resolution
from dbsl_tf.profiling.profile_file import Point, Profile
from dbsl_tf.resolved import RunSettings, settings_of
from dbsl_tf.resolved.suitability import unsuitable, warn_of_unsuitable_profile
from dbsl_tf.resolved.timed_settings import timed_settings

CONFIG = Path(__file__).parents[2] / "configs" / "quickstart.yaml"
MEASURED = {
    "model": "resnet8",
    "stem": "cifar",
    "precision": "float32",
    "xla": False,
    "onednn": True,
    "winograd": True,
    "augment": [],
}


def _settings(*overrides: str) -> RunSettings:
    return settings_of(load_config(CONFIG, ["compute.onednn=on", *overrides]))


def test_the_same_steps_are_suitable() -> None:
    assert unsuitable(MEASURED, _settings("data.augment=[]", "run.seed=3")) is None


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("model.name=resnet20", "model.name=resnet8 instead of resnet20"),
        ("model.stem=imagenet", "model.stem=cifar instead of imagenet"),
        ("compute.precision=mixed_float16", "precision=float32 instead of mixed_float16"),
        ("compute.xla=true", "compute.xla=false instead of true"),
        ("compute.onednn=off", "compute.onednn=on instead of off"),
        ("compute.winograd=false", "compute.winograd=true instead of false"),
    ],
)
def test_other_steps_are_told(override: str, told: str) -> None:
    remark = unsuitable(MEASURED, _settings(override))
    assert told in remark and "dbsl_tf.profile" in remark and remark.count("instead") == 1


def test_auto_is_what_the_environment_makes_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "0")
    assert "onednn=on instead of off" in unsuitable(MEASURED, _settings("compute.onednn=auto"))
    without = {**MEASURED, "onednn": False, "winograd": False}
    assert unsuitable(without, _settings("compute.onednn=auto")) is None


@pytest.mark.parametrize(
    ("missing", "told", "without"),
    [
        (("onednn", "winograd"), "with oneDNN,", "compute.onednn=off"),
        (("winograd",), "with Winograd's filtering,", "compute.winograd=false"),
    ],
)
def test_what_an_older_profile_does_not_say_is_told(
    missing: tuple[str, ...], told: str, without: str
) -> None:
    older = {name: value for name, value in MEASURED.items() if name not in missing}
    assert f"does not say whether it was measured {told}" in unsuitable(older, _settings())
    assert unsuitable(older, _settings(without)) is None


@pytest.mark.parametrize(
    "without", ["compute.onednn=off", "compute.xla=true", "compute.precision=mixed_bfloat16"]
)
def test_what_a_run_does_not_use_need_not_be_said(without: str) -> None:
    run = _settings(without)
    expected = timed_settings(run)
    older = {name: expected[name] for name in MEASURED if name != "winograd"}
    assert unsuitable(older, run) is None
    if without == "compute.onednn=off":
        del older["onednn"]
        assert unsuitable(older, run) is None


def test_auto_precision_does_not_say_whether_winograd_is_used() -> None:
    assert unsuitable({**MEASURED, "winograd": False}, _settings("compute.precision=auto")) is None


def test_workers_that_were_not_alike_and_batch_times_files_are_not_held_against_it() -> None:
    assert unsuitable({**MEASURED, "onednn": None}, _settings()) is None
    assert unsuitable({"source": "times.csv"}, _settings()) is None


def test_the_warning_names_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    points = tuple(Point(size, 1e-3 * size + 0.01) for size in (4, 64))
    fit = fit_resolution(32, {0: WorkerPoints(None, points)}, "ols")
    path = tmp_path / "profile.json"
    Profile((fit,), "ols", settings=MEASURED).save(path)
    given = (f"time_model.profile={path}", "time_model.a=null", "time_model.b=null")
    given += ("time_model.overhead=0",)
    warn_of_unsuitable_profile(_settings(*given))
    warn_of_unsuitable_profile(_settings())
    assert capsys.readouterr() == ("", "")
    warn_of_unsuitable_profile(_settings(*given, "compute.xla=true"))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"warning: time_model.profile={path} has compute.xla=false")
    assert captured.err.count("\n") == 1
