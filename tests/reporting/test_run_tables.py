"""What a report says of the processors of a run."""

from __future__ import annotations

from pathlib import Path

from dbsl_tf.reporting.reading import read_run
from dbsl_tf.reporting.run_tables import compute_part, data_table
from dbsl_tf.results.run_directory import RunDirectory
from tests.support.run_directories import make_run


def _told(directory: RunDirectory, **changes: object) -> str:
    """The part of the report, after changes of what summary.json says of computing."""
    if changes:
        summary = directory.read_json(directory.summary)
        directory.write_json(
            directory.summary, {**summary, "compute": {**summary["compute"], **changes}}
        )
    return str(compute_part(read_run(directory.path)))


def test_processors_and_onednn_are_told(tmp_path: Path) -> None:
    told = _told(make_run(tmp_path / "run"), onednn_reason="environment")
    assert "on (TF_ENABLE_ONEDNN_OPTS)" in told
    assert told.count("AMD EPYC 7B13, AVX2") == 2


def test_workers_that_are_not_alike_are_told_one_by_one(tmp_path: Path) -> None:
    workers = [
        {"worker": worker, "processor": "", "instructions": "", "onednn": worker == 0}
        for worker in range(2)
    ]
    told = _told(make_run(tmp_path / "run"), onednn=None, workers=workers)
    assert "not the same on all workers" in told
    assert "not known, oneDNN on" in told and "not known, oneDNN off" in told


def test_nothing_is_promised_of_a_run_that_has_ended_without_it(tmp_path: Path) -> None:
    unfinished = make_run(tmp_path / "unfinished", commits=2)
    assert "is recorded when a run is finished" in _told(unfinished)
    older = make_run(tmp_path / "older")
    summary = older.read_json(older.summary)
    older.write_json(older.summary, {**summary, "compute": {"precision": "float32", "xla": False}})
    assert "is not recorded" in _told(older)


def test_how_test_images_are_prepared_is_told(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", commits=2)
    facts = directory.read_json(directory.data)
    transform = {"image_size": 28, "test_crop": 0.875, "steps": "cut and resize"}
    directory.write_json(directory.data, {**facts, "transform": transform})
    rows = [tuple(row) for row in data_table(read_run(directory.path)).rows]
    assert ("test images: image_size", "28") in rows
    assert ("test images: test_crop", "0.875") in rows
    assert ("test images: steps", "cut and resize") in rows
