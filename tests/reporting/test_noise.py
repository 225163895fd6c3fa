"""What the report says of the batch noise."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbsl_tf.reporting.noise import noise_parts, noise_text, place_of, trained_batches
from dbsl_tf.reporting.reading import read_run
from tests.support.records import noise_record
from tests.support.run_directories import make_run


@pytest.mark.parametrize(
    ("batch", "place"), [(79, "below"), (80, "within"), (200, "within"), (201, "above")]
)
def test_a_batch_is_placed_as_far_as_the_bounds_tell(batch: int, place: str) -> None:
    assert place_of(batch, noise_record(low=80.0, high=200.0)) == place


def test_without_bounds() -> None:
    assert place_of(10**6, noise_record(noise=None, low=None, high=None)) == "below"
    assert place_of(10**6, noise_record(low=10.0, high=None)) == "within"


def test_what_is_too_large_is_told_in_words() -> None:
    assert noise_text(noise_record()) == "120 samples (95% bounds: 80 to 200)"
    told = noise_text(noise_record(noise=None, low=500.4, high=None))
    assert told == "too large to be told (95% bounds: 500 to no bound)"


def test_the_batches_are_put_beside_it(tmp_path: Path) -> None:
    noises = [noise_record(commit=2, low=1.0), noise_record(commit=4, epoch=2, low=40.0, high=50.0)]
    make_run(tmp_path / "run", "schedule.epochs=2", "schedule.milestones=[]", noises=noises)
    run = read_run(tmp_path / "run")
    batches = trained_batches(run)
    assert list(batches) == ["small", "large"] and batches["small"] < 40 < 50 < batches["large"]
    text, table = noise_parts(run)
    assert "after epoch 2: 120 samples" in text
    small, large = table.rows
    assert small[0] == "small batch" and small[1].startswith("below it")
    assert (small[2], small[4]) == (batches["small"], "1 of 2")
    assert small[3] == f"{100 * 120 / (120 + batches['small']):.2f} %"
    assert large[1].startswith("above it") and large[4] == "0 of 2"


def test_nothing_is_said_where_nothing_was_measured(tmp_path: Path) -> None:
    make_run(tmp_path / "run", "schedule.epochs=1")
    assert noise_parts(read_run(tmp_path / "run")) == []
