"""The command that trains a published grid anew."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys

import pytest

from dbsl_tf.cli.reproduce import main
from dbsl_tf.common.errors import UserError
from tests.support.commands import check_one_line_mistake
from tests.support.networks import silent_isolation
from tests.support.tiny_runs import ROOT

PRETENDED = f"{shlex.quote(sys.executable)} -m tests.support.pretended_training"
# A run of seconds: digits on a cluster of four workers.
TINY = (
    *("data.name=digits", "data.train_samples=300", "dual_batch.large_batch=32"),
    *("schedule.epochs=1", "schedule.milestones=[]"),
)


class TestReproduceCommand:
    @pytest.fixture(autouse=True)
    def _set_up(self, tmp_path):
        self.output = tmp_path / "grid"

    def start(self, *arguments: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-m", "dbsl_tf.reproduce", "--output", str(self.output), *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def reproduce(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        output, errors = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            ([], "name what to reproduce: dual_batch (table5), "),
            (["table4"], "no published grid is called 'table4'; they are dual_batch"),
            (["hybrid_imagenet"], "--scale: hybrid_imagenet has no small scale; give --scale full"),
            (["table5", "--scale", "medium"], "'medium'"),
            (["table5", "--seeds", "0"], "--seeds is 0; give a whole number of at least 1"),
            (["table5", "--seeds", "many"], "--seeds is many; give a whole number"),
            (["table5", "--launcher", "no-such-command"], "--launcher is 'no-such-command'"),
            (["table5", "optimizer.rate=1"], "optimizer.rate"),
            (["table5", "dual_batch.small_workers=1"], "is what the rows of dual_batch differ in"),
        ],
    )
    def test_a_mistake_is_told_before_anything_runs(self, arguments, expected, capsys):
        with pytest.raises(UserError, match=re.escape(expected)):
            main(["--output", str(self.output), *arguments])
        assert capsys.readouterr() == ("", "")
        assert not self.output.exists()

    def test_commands_for_other_launchers(self):
        result = self.reproduce(
            *("table8", "--scale", "full", "--print", "--seeds", "2", "data.dir=/data"),
            *("--launcher", "sbatch --nodes=5 slurm.sbatch"),
        )
        assert result.returncode == 0
        assert result.stderr.startswith("table8 is taken to be the grid hybrid")
        lines = result.stdout.splitlines()
        assert len(lines) == 36
        words = shlex.split(lines[-1])
        assert words[:5] == [
            "sbatch",
            "--nodes=5",
            "slurm.sbatch",
            "--config",
            "cifar100_hybrid.yaml",
        ]
        for word in ("data.dir=/data", "progressive.mode=cyclic", "run.seed=1"):
            assert word in words
        assert not self.output.exists()

    @pytest.mark.slow
    def test_finished_runs_are_passed_over_and_the_others_trained(self):
        grid = ("update_factor", "--launcher", PRETENDED, "--seeds", "2", *TINY)
        result = self.reproduce(*grid)
        assert (result.returncode, result.stderr) == (0, "")
        assert "18 runs, 0 finished; the others take about " in result.stdout
        assert re.search(r"run 18 of 18: .*run\.seed=1 \(about \d+ min left\)", result.stdout)
        assert "accuracy: cannot be told: no two rows are told apart" in result.stdout
        content = json.loads((self.output / "reproduce.json").read_text())
        assert (content["grid"], content["scale"]) == ("update_factor", "small")
        assert [row["finished"] for row in content["rows"]] == [2] * 9

        unfinished = "small_workers=2,update_factor=sqrt/seed-1"
        (self.output / unfinished / "summary.json").unlink()
        again = self.reproduce(*grid)
        assert again.stdout.count(": already finished\n") == 17
        assert (self.output / "started").read_text().splitlines()[18:] == [unfinished]
        other = self.reproduce(*grid, "schedule.epochs=2")
        check_one_line_mistake(other, "holds a run in which schedule.epochs was 1, now 2")

    @pytest.mark.slow
    def test_runs_that_fail_are_listed_at_the_end(self):
        fails = ("--launcher", PRETENDED, "--seeds", "1", *TINY, "optimizer.base_lr=0.5")
        result = self.reproduce("update_factor", *fails)
        assert result.returncode == 1
        assert result.stdout.count("failed with status 2: dual_batch.small_workers=") == 9
        assert "accuracy: nothing to compare yet" in result.stdout

    @pytest.mark.cluster
    @pytest.mark.slow
    def test_a_real_run_that_is_interrupted_and_gone_on_with(self):
        grid = ("table5", "--seeds", "1", f"cluster.isolation={silent_isolation()}", *TINY)
        for finished in (0, 1):
            process = self.start(*grid)
            said = ""
            while f"run {finished + 2} of 9" not in said:
                line = process.stdout.readline()
                assert line, said
                said += line
            process.send_signal(signal.SIGINT)
            process.communicate()
            assert process.returncode == 130
            assert (
                "run 1 of 9: dual_batch.small_workers=0 run.seed=0: already" in said
            ) == finished
        result = self.reproduce(*grid, "--compare")
        assert result.returncode == 0
        content = json.loads((self.output / "reproduce.json").read_text())
        ended = [row["finished"] for row in content["rows"]]
        # One that is interrupted at its very end is finished too.
        assert ended[:2] == [1, 1] and ended[4:] == [0] * 5
        accuracy = content["figures"]["accuracy in %"]
        assert accuracy["published"][:2] == [67.81, 67.87]
        assert all(0 <= accuracy["measured"][index][0] <= 100 for index in (0, 1))
        assert "cannot be told with one seed" in accuracy["conclusion"]
        assert "published: ver_journal/plot_loss_acc_extra_105.ipynb" in result.stdout
