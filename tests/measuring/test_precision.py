"""When the precisions are compared, and how long the result is kept."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from dbsl_tf.common.errors import ClusterError
from dbsl_tf.common.processor import Processor, WorkerProcessor
from dbsl_tf.config import load_config
from dbsl_tf.measuring import precision, precision_comparison
from dbsl_tf.measuring.precision_comparison import (
    NOT_TOGETHER,
    Candidate,
    WorkersApart,
    may_gain,
)
from dbsl_tf.profiling.precision_choice import PrecisionChoice, choose, unmeasured
from dbsl_tf.resolved import settings_of

CONFIG = str(Path(__file__).parents[2] / "configs" / "quickstart.yaml")
AVX2 = Processor("AMD EPYC", frozenset({"avx2"}))
BFLOAT16 = Processor("AMD EPYC", frozenset({"avx2", "avx512f", "avx512_bf16"}))


class TestSettlePrecision:
    @pytest.fixture(autouse=True)
    def _set_up(self, tmp_path, monkeypatch):
        self.cache = tmp_path
        for name, value in (
            ("XDG_CACHE_HOME", str(tmp_path)),
            ("TF_CONFIG", ""),
            ("CUDA_VISIBLE_DEVICES", ""),
        ):
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(subprocess, "run", self._compare)
        self.processor = BFLOAT16
        monkeypatch.setattr(precision, "this_processor", lambda: self.processor)
        self.speeds: dict[str, float] | None = {"float32": 100.0, "mixed_bfloat16": 180.0}
        self.comparisons = 0
        self.lines: list[str] = []

    def _compare(self, command: list[str], check: bool) -> subprocess.CompletedProcess:
        """Stands for the process that compares: it finds `self.speeds`."""
        self.comparisons += 1
        if self.speeds is None:
            return subprocess.CompletedProcess(command, 1)
        output = Path(command[command.index("--output") + 1])
        output.parent.mkdir(parents=True, exist_ok=True)
        choice = choose([self.speeds]) if self.speeds else unmeasured(NOT_TOGETHER)
        output.write_text(json.dumps(choice.as_dict()))
        return subprocess.CompletedProcess(command, 0)

    def settle(self, *overrides: str) -> PrecisionChoice:
        config = load_config(CONFIG, ["compute.precision=auto", *overrides])
        settings = settings_of(config)
        return precision.settle_precision(settings, CONFIG, overrides, self.lines.append)

    def test_it_is_measured_once_where_the_processor_has_bfloat16(self):
        choice = self.settle()
        assert choice.precision == "mixed_bfloat16"
        assert "measuring float32 and mixed_bfloat16" in self.lines[0]
        assert self.lines[1] == str(choice)
        self.speeds = {"float32": 100.0, "mixed_bfloat16": 50.0}
        assert self.settle("schedule.epochs=99") == choice
        assert self.comparisons == 1

    def test_other_steps_are_measured_anew(self):
        self.settle()
        self.speeds = {"float32": 100.0, "mixed_bfloat16": 50.0}
        for change in ("dual_batch.large_batch=32", "model.name=resnet20", "compute.onednn=off"):
            assert self.settle(change).precision == "float32"
        assert self.comparisons == 4

    def test_other_processors_are_not_tried(self):
        self.processor = AVX2
        assert self.settle().precision == "float32"
        assert self.comparisons == 0
        assert "the workers have no processor or GPU that computes in bfloat16" in self.lines[-1]

    def test_a_gpu_is(self, monkeypatch):
        self.processor = AVX2
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
        assert self.settle().precision == "mixed_bfloat16"

    def test_images_that_are_too_small_for_it_are_not(self):
        choice = self.settle("model.stem=imagenet", "data.image_size=24")
        assert (choice.precision, self.comparisons) == ("float32", 0)

    def test_what_was_kept_and_cannot_be_read_is_measured_again(self):
        self.settle()
        (kept,) = self.cache.rglob("precisions/*.json")
        kept.write_text("{")
        assert self.settle().precision == "mixed_bfloat16"
        assert self.comparisons == 2

    def test_workers_that_were_apart_are_tried_again_in_the_next_run(self):
        self.speeds = {}
        choice = self.settle()
        assert (choice.precision, self.lines[-1]) == ("float32", str(choice))
        self.speeds = {"float32": 100.0, "mixed_bfloat16": 180.0}
        assert self.settle().precision == "mixed_bfloat16"

    def test_a_comparison_that_fails_says_what_to_do(self):
        self.speeds = None
        with pytest.raises(ClusterError, match="give compute.precision"):
            self.settle()


def test_every_worker_has_to_compute_in_it() -> None:
    able, unable = (WorkerProcessor(0, each, True) for each in (BFLOAT16, AVX2))
    assert may_gain([able, able], on_gpus=False)
    assert not may_gain([able, unable], on_gpus=False)
    assert not may_gain([], on_gpus=False)
    assert may_gain([unable], on_gpus=True)


class CrowdedRuns:
    """Stands for the runs of workers that are together only in runs of so many steps."""

    workers = 3

    def __init__(self, enough: float, all_present: bool = True) -> None:
        self._enough = enough
        self.all_present = all_present

    def run(self, steps: Sequence[int]) -> dict[int, SimpleNamespace] | None:
        if min(steps) < self._enough:
            return None
        return {
            worker: SimpleNamespace(loop_seconds=0.1 * count) for worker, count in enumerate(steps)
        }


class TestCandidate:
    def test_runs_become_longer_until_all_workers_run_at_once(self):
        candidate = Candidate(CrowdedRuns(enough=5000), batch=8)
        candidate.settle_steps()
        assert 5000 <= candidate.steps < 10_000
        assert candidate.speed() == pytest.approx(3 * 8 / 0.1)

    def test_a_run_takes_about_a_second(self):
        candidate = Candidate(CrowdedRuns(enough=0), batch=8)
        candidate.settle_steps()
        assert candidate.steps == 10

    def test_workers_that_are_never_together_are_given_up(self, monkeypatch):
        monkeypatch.setattr(precision_comparison, "_MOST_SECONDS", 0.01)
        with pytest.raises(WorkersApart):
            Candidate(CrowdedRuns(enough=float("inf")), batch=8).settle_steps()

    def test_a_worker_that_does_not_answer_is_told(self):
        with pytest.raises(ClusterError, match="one is hung or dead"):
            Candidate(CrowdedRuns(enough=5, all_present=False), batch=8).speed()
