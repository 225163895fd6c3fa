"""Profiles to files and back, and the time models in them."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbsl_tf.common.errors import UserError
from dbsl_tf.planning import TimeModel
from dbsl_tf.profiling.fitting import WorkerPoints, fit_resolution, profile_measurements
from dbsl_tf.profiling.measurement import Measurement, MemorySample, OverheadSample, StepSample
from dbsl_tf.profiling.profile_file import Point, Profile, load_profile

SIZES = (4, 8, 16, 32, 64)
LINES = ((1e-3, 0.01), (3e-3, 0.02))


def _profile() -> Profile:
    """Two workers with the lines above, and overheads of 0.1 and 0.3 s."""
    measured = Measurement(
        steps=tuple(
            StepSample(worker, size, a * size + b)
            for size in SIZES
            for worker, (a, b) in enumerate(LINES)
        ),
        overheads=(OverheadSample(0, 0.1), OverheadSample(1, 0.3)),
        memory=tuple(MemorySample(0, size, 10**8 + 10**6 * size) for size in SIZES),
        free_bytes=2 * 10**8,
        evaluation_seconds=0.5,
    )
    return profile_measurements(
        {32: measured},
        settings={"model": "resnet8", "precision": "float32", "augment": ["random_flip"]},
        machine={"device": "a processor", "cores": 2, "threads_per_worker": 1, "workers": 2},
    )


def _of(*resolutions: int | None, b: float = 0.01) -> Profile:
    points = tuple(Point(size, 1e-3 * size + b) for size in SIZES)
    return Profile(
        tuple(fit_resolution(r, {0: WorkerPoints(None, points)}, "ols") for r in resolutions), "ols"
    )


def _models(*models: tuple[float, float, float]) -> tuple[TimeModel, ...]:
    return tuple(TimeModel(*map(pytest.approx, model)) for model in models)


def test_a_file_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "new" / "profile.json"
    _profile().save(path)
    assert load_profile(path) == _profile()
    assert list(path.parent.iterdir()) == [path]


def test_saving_replaces_the_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    _of(24).save(path)
    _of(32).save(path)
    assert load_profile(path) == _of(32)


def test_the_file_has_the_documented_shape() -> None:
    values = json.loads(_profile().to_json())
    (fit,) = values["fits"]
    assert list(fit)[:4] == ["resolution", "a", "b", "r2"]
    assert set(fit) == {
        *("resolution", "a", "b", "r2", "a_interval", "b_interval", "correlation"),
        *("fitted_range", "residuals", "linear_range", "warning", "overhead", "points", "workers"),
    }
    assert (fit["resolution"], fit["linear_range"]) == (32, [4, 64])
    assert list(fit["workers"][1])[:4] == ["worker", "a", "b", "r2"]
    assert fit["workers"][1]["overhead"] == 0.3
    assert fit["points"][0] == {"batch": 4, "seconds": pytest.approx(0.023)}
    assert values["memory"]["largest_batch"] == pytest.approx(100, abs=1)
    assert values["machine"]["cores"] == 2
    assert values["evaluation_seconds"] == 0.5


def test_as_many_workers_have_their_own_time_models() -> None:
    assert _profile().time_models(2, 32) == _models((1e-3, 0.01, 0.1), (3e-3, 0.02, 0.3))


@pytest.mark.parametrize("workers", [1, 3])
def test_other_numbers_of_workers_have_the_mean(workers: int) -> None:
    assert _profile().time_models(workers, 32) == _models((2e-3, 0.015, 0.2)) * workers


def test_the_resolution_chooses_the_fit() -> None:
    profile = _of(24, 32)
    assert profile.resolution_times(32) is profile.fits[1]
    for resolution, problem in ((16, "not resolution 16"), (None, "no single resolution")):
        with pytest.raises(UserError, match=problem):
            profile.time_models(1, resolution)


@given(seed=st.integers(0, 2**16))
# Always the same seeds: two workers that are alike differ one time in ten, five times of nine with
# one seed in a thousand.
@pytest.mark.slow
@settings(max_examples=20, derandomize=True)
def test_workers_share_the_mean_unless_they_can_be_told_apart(seed: int) -> None:
    generator = np.random.default_rng(seed)

    def profile(slower: float) -> Profile:
        """The second worker takes `slower` times as long; times have 1 % noise."""
        workers = {
            index: WorkerPoints(
                None,
                tuple(
                    Point(size, (1e-3 * size + 0.01) * factor * generator.uniform(0.98, 1.02))
                    for size in SIZES
                    for _ in range(20)
                ),
            )
            for index, factor in enumerate((1.0, slower))
        }
        return Profile((fit_resolution(32, workers, "robust"),), "robust")

    for slower, differ in ((1.0, False), (1.03, True)):
        models = [profile(slower).time_models(2, 32) for _ in range(9)]
        # Of nine, as two that are alike differ by more than their intervals now and then.
        assert (sum(one != other for one, other in models) > 4) == differ


def test_workers_with_two_points_each_are_told_apart() -> None:
    workers = {
        index: WorkerPoints(None, (Point(4, 0.01), Point(8, 0.015 + index / 1000)))
        for index in (0, 1)
    }
    one, other = Profile((fit_resolution(32, workers, "ols"),), "ols").time_models(2, 32)
    assert one != other


def test_a_profile_without_a_resolution_serves_all() -> None:
    assert _of(None).time_models(1, 32) == _models((1e-3, 0.01, 0))
    assert _of(32).time_models(1) == _models((1e-3, 0.01, 0))
    with pytest.raises(UserError, match="not resolution 24"):
        _of(32).time_models(1, 24)


def test_a_line_no_plan_can_be_made_from_is_refused() -> None:
    with pytest.raises(UserError, match="the profile's b is -0.001"):
        _of(32, b=-0.001).time_models(1, 32)
    with pytest.raises(UserError, match="the profile's b is -0.001"):
        _of(32, b=-0.001).time_models(2, 32)


def _changed(path: str, value: Any) -> str:
    """The JSON of a profile with one value changed; the path is dotted."""
    values = _profile().as_dict()
    *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
    place = values
    for part in parents:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return json.dumps(values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no JSON (Expecting value"),
        ("[1, 2]", "not a profile"),
        ("{}", "fits: Field required"),
        (_changed("fits", []), "fits is []"),
        (_changed("fits.0.a", "fast"), "fits[0].a is 'fast'"),
        (_changed("fits.0.workers.1.b", None), "fits[0].workers[1].b: Field required"),
        (_changed("fits.0.b", float("nan")), "fits[0].b is nan"),
        (_changed("fits.0.overhead", -1), "fits[0].overhead is -1"),
        (_changed("fits.0.points.2.seconds", 0), "fits[0].points[2].seconds is 0"),
        (_changed("fits.0.overhead", 1e308), "a number in it is far too large"),
        (_changed("fits.0.points.2.batch", 10**400), "a number in it is far too large"),
        (_changed("method", "magic"), "method is 'magic'"),
        (_changed("memory.bytes_per_sample", -5), "memory.bytes_per_sample is -5"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "profile.json"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        load_profile(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert expected in message
    assert "python -m dbsl_tf.profile" in message
    assert "\n" not in message


def test_every_flipped_bit_that_alters_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    _profile().save(path)
    content, draw, refused = path.read_bytes(), random.Random(1), 0
    for _ in range(300):
        changed = bytearray(content)
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        try:
            assert load_profile(path) == _profile()
        except UserError as error:
            assert str(path) in str(error)
            refused += 1
    # Blanks between values are of no importance.
    assert refused > 150


def test_one_without_a_checksum_is_taken_for_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    values = json.loads(_profile().to_json())
    values["fits"][0]["a"] *= 2
    path.write_text(json.dumps(values))
    with pytest.raises(UserError, match="damaged or edited.* or remove its sha256"):
        load_profile(path)
    del values["sha256"]
    path.write_text(json.dumps(values))
    assert load_profile(path).fits[0].a == 2 * _profile().fits[0].a


def test_a_resolution_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    replace(_of(32), fits=_of(32).fits * 2).save(path)
    with pytest.raises(UserError, match="occurs twice"):
        load_profile(path)


def test_a_file_that_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such profile"):
        load_profile(tmp_path / "none.json")
    with pytest.raises(UserError, match="cannot be read"):
        load_profile(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        _of(32).save(tmp_path / "file" / "profile.json")


def test_a_save_that_fails_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    _of(32).save(path)
    with pytest.raises(ValueError):
        replace(_of(24), evaluation_seconds=float("inf")).save(path)
    assert load_profile(path) == _of(32)
    assert list(tmp_path.iterdir()) == [path]
