from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar
from unittest import mock

import pytest
from rich.console import Console

from dbsl_tf.common import onednn
from dbsl_tf.common.errors import UserError
from scripts.benchmark import parse, settings_of
from scripts.benchmarking.instruction_sets import variables
from scripts.benchmarking.link import check_link
from scripts.benchmarking.measurements import (
    Sample,
    at,
    by_worker,
    measure,
    medians,
    ratio_to_ceiling,
)
from scripts.benchmarking.processes import run_workers
from scripts.benchmarking.report import cells, figure, label, results, table
from scripts.benchmarking.stored_runs import StoredRuns
from scripts.benchmarking.supervision import run_peer
from tests.support.patience import at_most

ROOT = Path(__file__).parents[2]


def _run(speed: float, **changes: float) -> dict:
    return {
        "images_per_second": speed,
        "cpu_seconds_per_1000_images": 2.0,
        "bytes_per_1000_images": 3e6,
        "model_copies_per_mini_epoch": 2.0,
        "startup_seconds": 9.0,
        "cores_used_by_others": 0.1,
        "peak_bytes": {"worker": 500e6},
        **changes,
    }


class TestMeasurements:
    # Two workers, mini-epochs of 10 s and of 5 s; the first of each, which took longer, and what
    # follows the beginning of the last do not count.
    RECORDS = [
        *({"worker": 0, "started": s, "samples": 100} for s in (100.0, 130.0, 140.0, 150.0)),
        *({"worker": 1, "started": s, "samples": 40} for s in (100.0, 130.0, 135.0, 140.0, 145.0)),
    ]

    def test_speeds_are_from_one_beginning_to_the_next(self) -> None:
        workers = by_worker(reversed(self.RECORDS))
        assert list(workers) == [0, 1]
        assert workers[0].images_per_second == pytest.approx(10.0)
        assert workers[1].images_per_second == pytest.approx(8.0)
        assert workers[0].window == (135.0, 155.0)

    def test_too_few_mini_epochs_are_named(self) -> None:
        with pytest.raises(ValueError, match="worker 1 trained 2 mini-epoch"):
            by_worker([*self.RECORDS[:4], *self.RECORDS[4:6]])

    def test_costs_are_those_of_the_window(self) -> None:
        # In the window, 133.75 to 151.25 s: 1.5 CPU seconds a second, 4 bytes a second.
        # Of 1.75 CPU seconds a second of the whole machine.
        samples = [
            Sample(90.0, 0.0, 0.0, 0.0),
            Sample(130.0, 500.0, 9.0, 600.0),
            Sample(160.0, 545.0, 129.0, 652.5),
        ]
        printed = {"mini_epochs": self.RECORDS, "first_step": 98.0, "model_bytes": 10}
        figures = measure(printed, samples, began=90.0)
        assert figures["images_per_second"] == pytest.approx(18.0)
        assert figures["cpu_seconds_per_1000_images"] == pytest.approx(1000 * 1.5 / 18)
        assert figures["bytes_per_1000_images"] == pytest.approx(1000 * 4 / 18)
        # 0.1 + 0.2 mini-epochs a second, 10 bytes each copy.
        assert figures["model_copies_per_mini_epoch"] == pytest.approx(4 / 0.3 / 10)
        assert figures["startup_seconds"] == pytest.approx(8.0)
        assert figures["cores_used_by_others"] == pytest.approx(0.25)
        assert "share_in_steps" not in figures

    def test_a_peer_may_tell_where_the_time_goes(self) -> None:
        # Of 10 s, or 5 s, from one beginning to the next: 80 % in the steps, 10 % moving weights.
        records = []
        for record in self.RECORDS:
            cycle = 10.0 if record["worker"] == 0 else 5.0
            records.append({**record, "loop_seconds": 0.8 * cycle, "seconds": 0.9 * cycle})
        # The first and the last one of a worker do not count.
        records[0]["loop_seconds"] = records[-1]["loop_seconds"] = 1e3
        printed = {"mini_epochs": records, "first_step": 98.0, "model_bytes": 10}
        figures = measure(printed, [Sample(90.0, 0.0, 0.0)], began=90.0)
        assert figures["share_in_steps"] == pytest.approx(0.8)
        assert figures["share_pulling_and_pushing"] == pytest.approx(0.1)
        assert figures["share_between_mini_epochs"] == pytest.approx(0.1)

    def test_samples_are_interpolated_and_held_at_the_ends(self) -> None:
        samples = [Sample(1.0, 10.0, 100.0), Sample(3.0, 30.0, 500.0)]
        assert at(samples, 2.0) == Sample(2.0, 20.0, 300.0)
        assert at(samples, 3.0) == samples[1]
        assert at(samples, 9.0).cpu_seconds == 30.0
        assert at(samples, 0.0).cpu_seconds == 10.0

    def test_medians_reach_into_mappings_and_forgive_missing_roles(self) -> None:
        runs = [
            {"speed": 1.0, "peak": {"worker": 5, "server": 2}},
            {"speed": 9.0, "peak": {"worker": 7}},
            {"speed": 2.0, "peak": {"worker": 6, "server": 4}},
        ]
        assert medians(runs) == {"speed": 2.0, "peak": {"worker": 6, "server": 3.0}}

    def test_ratios_are_taken_within_a_repeat(self) -> None:
        # The machine is half as fast in the second repeat.
        assert ratio_to_ceiling({0: 90.0, 1: 45.0}, {0: 100.0, 1: 50.0}) == pytest.approx(0.9)
        assert ratio_to_ceiling({0: 90.0}, {1: 100.0}) is None


class TestReport:
    RUNS = {
        ("ceiling", None, "resnet20"): {0: _run(100.0), 1: _run(50.0)},
        ("dbsl_tf", None, "resnet20"): {0: _run(90.0, startup_seconds=12.0), 1: _run(48.0)},
        ("keras_fit", "tf_keras", "resnet20"): {1: _run(40.0, peak_bytes={"main": 1e9})},
        ("original", "keras", "resnet18"): {},
    }

    def test_every_peer_that_ran_has_one_entry(self) -> None:
        entries = results(self.RUNS)
        assert [e["peer"] for e in entries] == ["ceiling", "dbsl_tf", "keras_fit"]
        product = entries[1]
        assert product["model"] == "resnet20"
        assert product["images_per_second"] == 69.0
        assert product["ratio_to_ceiling"] == pytest.approx((0.9 + 0.96) / 2)
        assert product["images_per_second_of_repeats"] == [90.0, 48.0]
        assert json.loads(json.dumps(entries)) == entries

    def test_cells_follow_the_columns(self) -> None:
        entries = results(self.RUNS)
        assert cells(entries[1]) == [
            "69.0",
            "0.930",
            "2.00",
            "3.0",
            "2.00",
            "500",
            "-",
            "10.5",
            "0.10",
        ]
        # A peer of one process shows it as the worker.
        assert cells(entries[2])[5] == "1000"
        assert label(entries[2]) == "keras_fit (tf_keras)"
        made = table(entries, "resnet20")
        assert made.row_count == 3
        assert len(made.columns) == 1 + len(cells(entries[1]))
        assert table(entries, "resnet18").row_count == 0

    def test_a_table_for_a_document(self) -> None:
        console = Console(width=200, file=io.StringIO())
        console.print(table(results(self.RUNS), "resnet20", markdown=True))
        lines = [line.strip() for line in console.file.getvalue().splitlines() if "|" in line]
        assert re.match(r"\| peer +\| +images/s \|.* others' cores \|$", lines[0])
        assert re.match(r"\|-+\|", lines[1])
        assert re.match(r"\| keras_fit \(tf_keras\) \| +40.0 \|", lines[-1])

    def test_the_figure_has_a_panel_a_model_and_a_bar_a_peer(self) -> None:
        entries = results({**self.RUNS, ("ceiling", None, "resnet18"): {0: _run(7.0)}})
        panels = figure(entries).axes
        assert [axes.get_title() for axes in panels] == ["resnet20", "resnet18"]
        widths = [patch.get_width() for patch in panels[0].patches]
        assert widths == [40.0, 69.0, 75.0]

    def test_a_slower_link_is_in_the_titles(self) -> None:
        entries = results(self.RUNS)
        title = "resnet20, a link of 2.5 Gbit/s"
        assert table(entries, "resnet20", 2.5).title == title
        assert figure(entries, 2.5).axes[0].get_title() == title


class TestLink:
    TRANSFER = """
import socket, threading, time
listener = socket.create_server(("127.0.0.1", 0))
def send():
    with socket.create_connection(listener.getsockname()) as sender:
        sender.sendall(bytes(5_000_000))
threading.Thread(target=send).start()
receiver, _ = listener.accept()
began = time.monotonic()
while receiver.recv(65536):
    pass
print(time.monotonic() - began)
"""

    def test_what_is_sent_takes_the_time_of_the_link(self) -> None:
        try:
            check_link(0.1)
        except UserError as error:
            pytest.skip(str(error))
        found = {"PYTHONPATH": str(ROOT)}
        with mock.patch.dict(os.environ, found):
            peer = run_peer(["-c", self.TRANSFER], timeout=at_most(6), network_gbit=0.1)
        # 5 MB of 0.1 Gbit/s; the burst goes ahead of it. Unlimited it takes some milliseconds.
        assert peer.printed > 0.3
        assert peer.printed < at_most(0.4)


class TestStoredRuns:
    MACHINE: ClassVar = {"processor": "a", "versions": {"numpy": "2"}}
    SETTINGS: ClassVar = {"mini_epochs": 5, "workload": {"stages": (1, 2)}}

    def _open(self, path: Path, **changes: Any) -> StoredRuns:
        of_model = {name: self.SETTINGS | changes for name in ("resnet8", "resnet18")}
        return StoredRuns(path, "how", of_model, self.MACHINE)

    def test_what_is_there_is_kept(self, tmp_path: Path) -> None:
        path = tmp_path / "bench.json"
        stored = StoredRuns(path, "how", {"resnet20": {"mini_epochs": 9}}, self.MACHINE)
        stored.add(("ceiling", None, "resnet20"), 0, _run(100.0))
        self._open(path).add(("pytorch", "eager", "resnet18"), 1, _run(50.0))
        again = self._open(path)
        content = json.loads(path.read_text())
        assert content["results"] == results(again.runs)
        assert [e["model"] for e in content["results"]] == ["resnet20", "resnet18"]
        assert content["settings"]["resnet20"] == {"mini_epochs": 9}
        assert again.has(("ceiling", None, "resnet20"), 0)
        assert again.has(("pytorch", "eager", "resnet18"), 1)
        assert not again.has(("pytorch", "eager", "resnet18"), 0)
        assert not again.has(("pytorch", "compiled", "resnet18"), 1)

    def test_unlike_runs_are_not_mixed(self, tmp_path: Path) -> None:
        path = tmp_path / "bench.json"
        self._open(path).add(("ceiling", None, "resnet8"), 0, _run(100.0))
        with pytest.raises(UserError, match=r"of resnet8 with other settings \(mini_epochs"):
            self._open(path, mini_epochs=4)
        with pytest.raises(UserError, match=r"of resnet8 with other settings \(onednn"):
            self._open(path, onednn=True)
        with pytest.raises(UserError, match="on another machine"):
            StoredRuns(path, "how", {}, {"processor": "b"})
        whole = json.loads(path.read_text())
        for damage in ({}, {"figures": {}}, {"repeat": "first"}):
            (run,) = whole["runs"]
            damaged = run | damage if damage else {"peer": "ceiling"}
            path.write_text(json.dumps(whole | {"runs": [damaged]}))
            with pytest.raises(UserError, match="not a results file; give another file"):
                self._open(path)
        for text in ("no JSON", "[]", '{"runs": []}'):
            path.write_text(text)
            with pytest.raises(UserError, match="not a results file; give another file"):
                self._open(path)


class TestInstructionSets:
    def test_what_the_user_has_set_is_kept(self) -> None:
        assert variables("avx2", {})["XLA_FLAGS"] == "--xla_cpu_max_isa=AVX2"
        set_before = {"XLA_FLAGS": "--xla_dump_to=/tmp/x", "NPY_DISABLE_CPU_FEATURES": "FMA3"}
        chosen = variables("avx2", set_before)
        assert chosen["XLA_FLAGS"] == "--xla_dump_to=/tmp/x --xla_cpu_max_isa=AVX2"
        assert chosen["NPY_DISABLE_CPU_FEATURES"].split()[:2] == ["FMA3", "X86_V4"]
        assert variables(None, set_before) == {}


class TestCommand:
    @pytest.mark.slow
    def test_mistakes_are_told_in_one_line(self, subtests) -> None:
        for arguments, told in (
            (["--peers", "ceiling,mxnet"], "--peers is mxnet; give some of ceiling, dbsl_tf"),
            (["--repeats", "0"], "--repeats is 0; give 1 or more"),
            (["--mini-epochs", "2"], "--mini-epochs is 2; give 3 or more"),
            (["--pytorch", "jit"], "--pytorch is jit; give some of eager, compiled"),
            (["--models", "resnet32"], "--models is resnet32"),
            (["--network-gbit", "0"], "--network-gbit is 0; give more than 0"),
            (["compute.precision=auto"], "compute.precision is auto, but all peers must"),
        ):
            with subtests.test(str(arguments)), TemporaryDirectory() as folder:
                done = _benchmark(*arguments, "--output", f"{folder}/bench.json")
                assert done.returncode == 2, done.stderr
                assert len(done.stderr.splitlines()) == 1
                assert told in done.stderr

    def test_whether_onednn_is_on_belongs_to_the_settings(self, tmp_path, monkeypatch) -> None:
        options = parse(["--peers", "ceiling", "--output", str(tmp_path / "bench.json")])
        for value, on in (("0", False), ("1", True)):
            monkeypatch.setenv(onednn.VARIABLE, value)
            assert settings_of(options, "resnet8")["onednn"] is on

    def test_packages_are_asked_for_where_all_else_is_right(self, tmp_path, monkeypatch) -> None:
        """As on a machine that has only what the tests need."""
        for package in ("torch", "tf_keras"):
            monkeypatch.setitem(sys.modules, package, None)
        for arguments, told in (
            (["--models", "resnet32"], "--models is resnet32"),
            (["--network-gbit", "0"], "--network-gbit is 0"),
            (["--peers", "pytorch"], "--peers has pytorch, which needs torch: pip install"),
            (["--peers", "original"], "--peers has original, which needs tf_keras: pip install"),
        ):
            with pytest.raises(UserError, match=told):
                parse([*arguments, "--output", str(tmp_path / "bench.json")])

    @pytest.mark.cluster
    @pytest.mark.slow
    def test_the_bare_loop_is_measured(self, tmp_path: Path) -> None:
        content, shown = _measured(tmp_path, "--peers", "ceiling")
        entry = content["results"][0]
        assert (entry["peer"], entry["model"]) == ("ceiling", "resnet8")
        assert entry["images_per_second"] > 0
        assert entry["ratio_to_ceiling"] == 1.0
        assert entry["peak_bytes"]["worker"] > 50e6
        assert "cores_used" in content["machine"]
        assert "resnet8" in shown

    @pytest.mark.cluster
    @pytest.mark.slow
    def test_pytorch_is_measured(self, tmp_path: Path) -> None:
        pytest.importorskip("torch", reason="only the benchmark needs PyTorch")
        content, _ = _measured(tmp_path, "--peers", "pytorch", "--pytorch", "eager")
        entry = content["results"][0]
        assert (entry["peer"], entry["form"]) == ("pytorch", "eager")
        assert entry["images_per_second"] > 0
        assert entry["startup_seconds"] > 0


class TestWorkers:
    @pytest.mark.parametrize(
        ("work", "ending"), [("os.abort()", "status -6"), ("sys.exit(3)", "status 3")]
    )
    def test_one_that_ends_early_is_named_with_its_status(
        self, tmp_path: Path, work: str, ending: str
    ) -> None:
        program = f"import os, sys\nprint('ready', flush=True)\ninput()\n{work}\n"
        (tmp_path / "ending_early.py").write_text(program)
        with pytest.raises(SystemExit, match=f"a worker of ending_early ended with {ending}"):
            run_workers("ending_early", [], 2, PYTHONPATH=str(tmp_path))


def _measured(folder: Path, *peers: str) -> tuple[dict, str]:
    """What a short measurement writes and prints."""
    output = folder / "bench.json"
    done = _benchmark(
        *(*peers, "--models", "resnet8", "--repeats", "1"),
        *("--config", "configs/quickstart.yaml", "--mini-epochs", "3"),
        *("--output", str(output), "data.train_samples=128", f"data.dir={folder}"),
        "data.augment=[random_flip]",
    )
    assert done.returncode == 0, done.stderr
    return json.loads(output.read_text()), done.stdout


def _benchmark(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "scripts.benchmark", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
