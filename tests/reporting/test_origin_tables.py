"""What a report says of the start of a run, its hardware, data and classes."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.reporting.origin_tables import (
    accuracy_table,
    compute_part,
    data_table,
    start_table,
)
from dbsl_tf.reporting.reading import read_run
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
    assert "('workers 0 to 1, each', 'AMD EPYC 7B13, AVX2')" in told


def test_winograd_is_told(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run")
    assert "(\"Winograd's filtering\", 'on')" in _told(directory, winograd=True)
    summary = directory.read_json(directory.summary)
    del summary["compute"]["winograd"]
    directory.write_json(directory.summary, summary)
    assert "(\"Winograd's filtering\", 'off')" in _told(directory)


def test_hosts_cores_and_gpus_of_workers_are_told(tmp_path: Path) -> None:
    workers = [
        {
            "worker": worker,
            "processor": "AMD EPYC",
            "instructions": "AVX2",
            "host": f"node{worker // 2}",
            "cores": 96,
            "gpus": ["NVIDIA H100"] * 2,
        }
        for worker in range(3)
    ]
    told = _told(make_run(tmp_path / "run"), workers=workers)
    machine = "AMD EPYC, AVX2, 96 cores, NVIDIA H100, NVIDIA H100"
    assert f"('workers 0 to 1, each', 'node0: {machine}')" in told
    assert f"('worker 2', 'node1: {machine}')" in told


def test_how_a_run_was_started_is_told(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", commits=2)
    assert start_table(read_run(directory.path)) is None
    start = {
        "time": 1e9,
        "commit": 0,
        "command": "dbsl train --config <c>.yaml",
        "host": "head",
        "processor": "AMD EPYC",
        "instructions": "",
        "cores": 8,
        "memory_bytes": 2**35,
    }
    git = {"commit": "abc123", "file": "configs/c.yaml", "differs": False}
    starts = [
        {**start, "git": None},
        {**start, "git": git, "commit": 4},
        {**start, "git": {**git, "differs": True}, "time": 1e300},
    ]
    directory.write_json(directory.origin, {"starts": starts})
    rows = start_table(read_run(directory.path)).rows
    machine = "coordinator on head: AMD EPYC, 8 cores, 32 GiB of memory"
    assert rows[0][0].startswith("begun, 2001-09-")
    assert rows[0][1] == f"dbsl train --config <c>.yaml; {machine}"
    assert rows[1][0].startswith("resumed after commit 4, 2001-09-")
    assert "; configs/c.yaml as in Git commit abc123; " in rows[1][1]
    assert rows[2][0] == "begun"
    assert "; configs/c.yaml changed since Git commit abc123; " in rows[2][1]


def test_the_accuracy_of_classes_is_told_once_they_were_evaluated(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run")
    assert accuracy_table(read_run(directory.path)) is None
    accuracies = [1.0, 0.25, None, 0.5]
    classes = [
        {"name": f"class {n}", "samples": 4, "accuracy": a} for n, a in enumerate(accuracies)
    ]
    directory.write_json(directory.evaluation, {"commit": 6, "samples": 12, "classes": classes})
    table = accuracy_table(read_run(directory.path))
    assert table.caption == "Accuracy of each class on the test set after commit 6"
    assert [(row[0], row[2]) for row in table.rows] == [
        ("class 1", "25.00 %"),
        ("class 3", "50.00 %"),
        ("class 0", "100.00 %"),
    ]
    many = [{"name": str(n), "samples": 1, "accuracy": n / 99} for n in range(100)]
    directory.write_json(directory.evaluation, {"commit": 6, "classes": many, "data": "/other"})
    table = accuracy_table(read_run(directory.path))
    assert "on /other after commit 6, the 50 lowest of 100" in table.caption
    assert [row[0] for row in table.rows] == [str(n) for n in range(50)]


@pytest.mark.parametrize(
    "content", [{"classes": 3}, {"classes": [{"accuracy": "high"}]}, {"classes": [{"samples": -1}]}]
)
def test_a_damaged_evaluation_is_named(tmp_path: Path, content: dict) -> None:
    directory = make_run(tmp_path / "run", commits=2)
    directory.write_json(directory.evaluation, content)
    with pytest.raises(UserError, match=r"evaluation\.json"):
        read_run(directory.path)


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
