"""What is recorded of what a run computed with."""

from __future__ import annotations

import pytest

from dbsl_tf.common.onednn import VARIABLE
from dbsl_tf.common.processor import Processor, WorkerProcessor
from dbsl_tf.config.training_sections import ComputeSection
from dbsl_tf.results.compute_record import compute_record, onednn_remark

PROCESSOR = Processor("AMD EPYC", frozenset({"avx2"}))


def _workers(*onednn: bool) -> list[WorkerProcessor]:
    return [WorkerProcessor(index, PROCESSOR, on) for index, on in enumerate(onednn)]


def test_what_held_is_recorded_beside_who_wanted_it() -> None:
    record = compute_record(
        ComputeSection(onednn="on"), _workers(False, False), None, winograd=True
    )
    assert record == {
        "precision": "float32",
        "precision_choice": None,
        "xla": False,
        "winograd": True,
        "onednn": False,
        "onednn_reason": "key",
        "workers": [
            {
                "worker": worker,
                "processor": "AMD EPYC",
                "instructions": "AVX2",
                "onednn": False,
                "host": "",
                "cores": 0,
                "gpus": [],
            }
            for worker in range(2)
        ],
    }


def test_workers_that_are_not_alike_are_null() -> None:
    assert compute_record(ComputeSection(), _workers(True, False), None, True)["onednn"] is None


@pytest.mark.parametrize(
    ("setting", "given", "workers", "expected"),
    [
        ("on", "0", (True, False), "without oneDNN: worker-1, though compute.onednn turns it on"),
        ("off", "1", (True, True), "with oneDNN: worker-0, worker-1, though compute.onednn turns"),
        ("auto", "0", (True, False), "worker-0, though TF_ENABLE_ONEDNN_OPTS turns it off here"),
    ],
)
def test_a_line_tells_of_workers_that_do_otherwise(
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    given: str,
    workers: tuple[bool, ...],
    expected: str,
) -> None:
    monkeypatch.setenv(VARIABLE, given)
    assert expected in onednn_remark(ComputeSection(onednn=setting), _workers(*workers))


@pytest.mark.parametrize(("setting", "on"), [("on", True), ("off", False)])
def test_workers_that_do_as_they_are_told_need_no_line(setting: str, on: bool) -> None:
    section = ComputeSection(onednn=setting)
    assert onednn_remark(section, _workers(on, on)) is None
    assert onednn_remark(section, []) is None
