"""The command that trains a grid."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys

import pytest

from tests.support.commands import check_one_line_mistake
from tests.support.networks import silent_isolation
from tests.support.tiny_runs import CONFIGURATION, ROOT

PRETENDED = f"{shlex.quote(sys.executable)} -m tests.support.pretended_training"


class TestSweepCommand:
    @pytest.fixture(autouse=True)
    def _set_up(self, tmp_path):
        self.folder = tmp_path
        self.config = self.folder / "tiny.yaml"
        self.config.write_text(CONFIGURATION.replace("ISOLATION", "auto"))
        self.output = self.folder / "sweep"

    def start(self, *arguments: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "dbsl_tf.sweep", "--config", str(self.config)]
        command += ["--output", str(self.output), *arguments]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def sweep(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        output, errors = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def started(self) -> list[str]:
        return (self.output / "started").read_text().split()

    def test_a_failed_point_does_not_stop_the_others_and_finished_runs_are_passed_over(self):
        grid = ("--launcher", PRETENDED, "--grid", "optimizer.base_lr=0.5,0.2", "--seeds", "2")
        result = self.sweep(*grid)
        assert result.returncode == 1
        every = [f"base_lr={rate}/seed-{seed}" for rate in (0.5, 0.2) for seed in (0, 1)]
        assert self.started() == every
        assert "run 1 of 4: optimizer.base_lr=0.5 run.seed=0" in result.stdout
        assert "│  2/2 │  50.50 ± 0.71 │" in result.stdout
        failed = [line for line in result.stdout.splitlines() if line.startswith("failed with")]
        assert failed == [
            "failed with status 2: optimizer.base_lr=0.5 run.seed=0: the loss is not finite",
            "failed with status 2: optimizer.base_lr=0.5 run.seed=1: the loss is not finite",
        ]
        table = json.loads((self.output / "sweep.json").read_text())
        assert [row["finished"] for row in table] == [0, 2]
        assert table[1]["test_accuracy"]["mean"] == pytest.approx(0.505)

        again = self.sweep(*grid, "--print").stdout.splitlines()
        assert len(again) == 2
        assert "optimizer.base_lr=0.5 run.seed=0" in again[0]
        assert self.sweep(*grid).returncode == 1
        assert self.started()[4:] == every[:2]

    @pytest.mark.parametrize(
        ("number", "status"),
        [(signal.SIGINT, 130), (signal.SIGTERM, 143)],
    )
    @pytest.mark.slow
    def test_an_interruption_stops_at_once_and_is_gone_on_from(self, number, status):
        grid = ["--launcher", PRETENDED, "--grid", "optimizer.momentum=0.5,0.6"]
        process = self.start(*grid)
        assert "run 1 of 2" in process.stdout.readline()
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(number)
        output, _ = process.communicate()
        assert process.returncode == status
        assert "saved" in output
        assert "run 2 of 2" not in output
        result = self.sweep(*grid)
        assert (result.returncode, result.stderr) == (0, "")
        assert "│  1/1 │" in result.stdout

    def test_commands_for_other_launchers(self):
        result = self.sweep(
            "--launcher", "sbatch --nodes=3 slurm.sbatch", "--print", "--seeds", "2",
            "schedule.epochs=1", "run.seed=5", "--grid", "data.augment=[],[random_flip]",
        )  # fmt: skip
        assert (result.returncode, result.stderr) == (0, "")
        lines = result.stdout.splitlines()
        assert len(lines) == 4
        words = shlex.split(lines[3])
        assert words[:3] == ["sbatch", "--nodes=3", "slurm.sbatch"]
        assert words[3:5] == ["--config", str(self.config)]
        for word in ("schedule.epochs=1", "data.augment=[random_flip]", "run.seed=6"):
            assert word in words
        assert not self.output.exists()

    @pytest.mark.slow
    def test_mistakes_are_told_before_anything_runs(self):
        for arguments, expected in (
            (["--grid", "optimizer.base_lr=0.1,-1"], "optimizer.base_lr is -1"),
            (["--grid", "optimizer.rate=0.1"], "optimizer.rate"),
            (["--grid", "run.seed=1,2"], "run.seed is set by the sweep; give --seeds"),
            (["run.dir=here"], "run.dir is set by the sweep; give --output"),
            (["--seeds", "0"], "--seeds is 0"),
            (
                ["--grid", "dual_batch.extra_time_ratio=1.1,9"],
                "dual_batch.extra_time_ratio=9 run.seed=0: dual_batch.extra_time_ratio is 9",
            ),
            (["--launcher", "no-such-command"], "--launcher is 'no-such-command'"),
            (["--launcher", '"open'], "No closing quotation"),
        ):
            check_one_line_mistake(self.sweep("--launcher", PRETENDED, *arguments), expected)
        assert not self.output.exists()
        assert self.sweep("--launcher", PRETENDED).returncode == 0
        other = self.sweep("--launcher", PRETENDED, "schedule.epochs=2")
        check_one_line_mistake(other, "holds a run in which schedule.epochs was 3, now 2")

    @pytest.mark.slow
    def test_a_damaged_summary_is_told_before_anything_runs(self, subtests):
        assert self.sweep("--launcher", PRETENDED, "--seeds", "1").returncode == 0
        folder = self.output / "configuration" / "seed-0"
        for content, expected in (
            ("[]", "it does not hold a JSON object"),
            ('{"test_accuracy": "x"}', "test_accuracy is 'x', not a finite number"),
            ('{"wall_seconds": NaN}', "wall_seconds is nan"),
            ('{"test_acc', "cannot be read"),
        ):
            with subtests.test(content):
                (folder / "summary.json").write_text(content)
                for extra in ((), ("--print",)):
                    result = self.sweep("--launcher", PRETENDED, "--seeds", "2", *extra)
                    check_one_line_mistake(result, expected)
                    assert f"remove {folder} to train that run from scratch" in result.stderr
        assert self.started() == ["configuration/seed-0"]

    @pytest.mark.cluster
    @pytest.mark.slow
    def test_a_real_run_that_is_finished_the_second_time(self):
        self.config.write_text(CONFIGURATION.replace("ISOLATION", silent_isolation()))
        for finished_before in (False, True):
            process = self.start("--grid", "schedule.epochs=1")
            output, errors = process.communicate()
            assert (process.returncode, errors) == (0, "")
            assert "run 1 of 1: schedule.epochs=1 run.seed=0" in output
            assert ("already finished" in output) == finished_before
            assert "│  1/1 │" in output
        assert (self.output / "epochs=1" / "seed-0" / "model.keras").exists()
        assert "</html>" in (self.output / "report.html").read_text()
