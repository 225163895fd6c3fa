from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "scripts.benchmark_coordinator", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


class TestBenchmarkCoordinator:
    @pytest.mark.cluster
    @pytest.mark.slow
    def test_commits_of_no_work_are_counted_and_timed(self) -> None:
        self.check_figures()

    @pytest.mark.slow
    @pytest.mark.cluster
    def test_servers_of_the_same_process(self) -> None:
        self.check_figures("--in-process")

    def check_figures(self, *options: str) -> None:
        with TemporaryDirectory() as folder:
            output = Path(folder) / "coordinator.json"
            sizes = ["--workers", "2", "--parameters", "1000", "--epochs", "10"]
            done = run(*sizes, *options, "--output", str(output))
            assert done.returncode == 0, done.stderr
            (row,) = json.loads(output.read_text())["results"]
        # Of 20, from the third on.
        assert (row["workers"], row["parameters"], row["commits"]) == (2, 1000, 17)
        assert row["in_process"] == bool(options)
        assert row["commits_per_second"] > 0
        assert row["processor_milliseconds"] > 0
        if options:
            assert row["server_milliseconds"] is None
        else:
            assert row["server_milliseconds"] >= 0

    @pytest.mark.slow
    def test_mistakes_are_named(self) -> None:
        for mistake in (["--workers", "0"], ["--workers", "2;3"], ["--epochs", "9"]):
            done = run(*mistake)
            assert done.returncode == 2
            assert f"{mistake[1]}" in done.stderr.splitlines()[-1]
