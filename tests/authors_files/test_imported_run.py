"""The command that makes a run directory of a result file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dbsl_tf.authors_files.file_name import facts_of_name
from dbsl_tf.config.yaml_text import read_yaml
from dbsl_tf.results.history_lines import read_events
from tests.support.authors_results import compsac_content, journal_content, save_pickled
from tests.support.commands import check_one_line_mistake
from tests.support.tiny_runs import ROOT


class TestFactsOfName:
    def test_names_of_the_published_files(self):
        for stem, layout, small, ratio, keys in (
            (
                "cifar100_resnet18_e140_t105_w5s3",
                "journal",
                3,
                1.05,
                {"progressive.mode": "cyclic"},
            ),
            (
                "conf_cifar100_resnet18_e140_t110_w5s1",
                "journal",
                1,
                1.1,
                {"progressive.mode": "off"},
            ),
            (
                "imagenet_resnet18_e105_t110_w5s4_amp",
                "journal",
                4,
                1.1,
                {"data.name": "image_folder", "compute.precision": "mixed_float16"},
            ),
            ("tf8_extra1.05_3s_122_500", "compsac", 3, 1.05, {"dual_batch.large_batch": 500}),
            ("tf_sqrt_extra1.1_2s_87_500", "compsac", 2, 1.1, {"dual_batch.update_factor": "sqrt"}),
            ("tf_nw_extra1.1_1s_38_500", "compsac", 1, 1.1, {"dual_batch.update_factor": "none"}),
            ("tf_4GPU_500_without_warmup", "compsac", 0, 1.0, {"dual_batch.large_batch": 500}),
        ):
            facts = facts_of_name(stem, layout)
            assert (facts.small_workers, facts.extra_time_ratio) == (small, ratio), stem
            assert facts.keys == {**facts.keys, **keys}
        assert facts_of_name("mine", "journal").small_workers is None


class TestImportHistory:
    @pytest.fixture(autouse=True)
    def _set_up(self, tmp_path):
        self.folder = tmp_path
        self.run = self.folder / "runs" / "imported"

    def command(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dbsl_tf.import_history", *map(str, arguments)],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )

    def imported(self, path: Path, *arguments: object) -> tuple[list[dict], dict, dict]:
        result = self.command(path, "--output", self.run, *arguments)
        assert (result.returncode, result.stderr) == (0, "")
        assert "12 commits of 4 worker(s) and 12 evaluations" in result.stdout
        return (
            read_events(self.run / "history.jsonl"),
            read_yaml((self.run / "config.yaml").read_text()),
            json.loads((self.run / "summary.json").read_text()),
        )

    def test_a_file_of_the_journal(self):
        path = self.folder / "cifar100_resnet18_e140_t105_w5s3.npy"
        events, config, summary = self.imported(save_pickled(path, journal_content()))
        assert [event["event"] for event in events] == ["commit", "evaluation"] * 12
        commits, evaluations = events[::2], events[1::2]
        assert [c["role"] for c in commits[:4]] == ["small", "small", "small", "large"]
        assert [c["epoch"] for c in commits] == [1] * 4 + [2] * 4 + [3] * 4
        # d_L = 1.05 * 50000 / 4, d_S = (50000 - d_L) / 3
        assert [c["samples"] for c in commits[2:4]] == [12292, 13125]
        assert "batch" not in commits[0]
        assert evaluations[-1]["samples"] == 10_000
        assert evaluations[-1]["started"] + evaluations[-1]["seconds"] == 43.75
        assert [e["epoch"] for e in evaluations][3:8] == [1, 1, 1, 1, 2]
        assert config["model"] == {"name": "resnet18"}
        assert config["cluster"] == {"workers": 4}
        assert config["schedule"] == {"epochs": 140}
        assert config["dual_batch"]["small_workers"] == 3
        assert "optimizer" not in config
        assert summary["imported"] == {"file": path.name, "layout": "journal"}
        assert summary["test_accuracy"] == evaluations[-1]["test_accuracy"]
        assert (summary["wall_seconds"], summary["load_imbalance"]) == (43.75, 1.0)

    def test_a_file_of_compsac(self):
        path = self.folder / "tf_extra1.1_3s_38_500.npy"
        events, config, summary = self.imported(save_pickled(path, compsac_content()))
        assert [event["batch"] for event in events[:8:2]] == [38, 38, 38, 500]
        assert [event["samples"] for event in events[4:8:2]] == [12083, 13750]
        assert config["merge"]["rule"] == "interpolate"
        assert summary["planned_extra_time_ratio"] == 1.1

    def test_a_name_whose_large_workers_would_leave_no_samples(self):
        path = self.folder / "tf_extra1.4_1s_38_500.npy"
        events, _, _ = self.imported(save_pickled(path, compsac_content()))
        assert [event for event in events[::2] if "samples" in event] == []

    def test_mistakes(self):
        path = save_pickled(self.folder / "mine.npy", journal_content())
        unknown = self.command(path, "--output", self.run)
        check_one_line_mistake(unknown, "mine.npy does not say how many workers")
        many = self.command(path, "--output", self.run, "--small-workers", 5)
        check_one_line_mistake(many, "--small-workers is 5, but mine.npy has 4 worker(s)")
        self.imported(path, "--small-workers", 1)
        again = self.command(path, "--output", self.run, "--small-workers", 1)
        check_one_line_mistake(again, "imported already exists")
        check_one_line_mistake(self.command(), "the following arguments are required: FILE.npy")
