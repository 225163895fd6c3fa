"""`python -m dbsl_tf.profile` as a person runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from dbsl_tf.profiling.fitting import profile_measurements
from dbsl_tf.profiling.kept_measurements import load_measurements
from dbsl_tf.profiling.profile_file import load_profile
from tests.support.commands import check_one_line_mistake

ROOT = Path(__file__).parents[2]
BATCH_TIMES = "tests/profiling/batch_times/gtx1080_resolution_32.csv"
CONFIG = "configs/quickstart.yaml"


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)


def _profile(*arguments: str) -> subprocess.CompletedProcess[str]:
    return _python("-m", "dbsl_tf.profile", *arguments)


def test_json_of_batch_times_is_one_object_with_the_published_coefficients() -> None:
    result = _profile("--from-csv", BATCH_TIMES, "--json", "--method", "ols")
    assert (result.returncode, result.stderr) == (0, "")
    (fit,) = json.loads(result.stdout)["fits"]
    # arXiv 2509.26092, GTX 1080, resolution 32.
    assert fit["resolution"] == 32
    assert fit["a"] == pytest.approx(0.0005056358858583448, rel=0.01)
    assert fit["b"] == pytest.approx(0.015562114074817612, rel=0.01)


def test_a_piped_table_is_plain_and_narrow() -> None:
    result = _profile("--from-csv", BATCH_TIMES)
    assert (result.returncode, result.stderr) == (0, "")
    assert "\x1b" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert "gpu04" in result.stdout


def test_profile_and_figure_are_written(tmp_path: Path) -> None:
    output, plot = tmp_path / "profile.json", tmp_path / "profile.png"
    result = _profile("--from-csv", BATCH_TIMES, "--output", str(output), "--plot", str(plot))
    assert result.returncode == 0, result.stderr
    assert f"time_model.profile: {output}" in result.stdout
    assert load_profile(output).method == "robust"
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_the_output_and_what_is_printed_are_the_same(tmp_path: Path) -> None:
    output = tmp_path / "profile.json"
    result = _profile("--from-csv", BATCH_TIMES, "--output", str(output), "--json")
    assert result.stdout == output.read_text(encoding="utf-8")


def test_print_config_measures_nothing() -> None:
    result = _profile("--config", CONFIG, "--print-config", "run.seed=7")
    assert result.returncode == 0, result.stderr
    assert "  seed: 7\n" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "--config is missing"),
        (["--from-csv", BATCH_TIMES, "--config", CONFIG], "leave out --config"),
        (["--from-csv", BATCH_TIMES, "run.seed=1"], "leave out --config"),
        (["--from-csv", "none.csv"], "none.csv: no such file"),
        (["--from-csv", CONFIG], f"{CONFIG} line 1: column batch_size is missing"),
        (["--from-csv", BATCH_TIMES, "--method", "magic"], "--method"),
        (["--from-csv", BATCH_TIMES, "--plot", "profile.bmp"], "profile.bmp"),
        (["--from-csv", BATCH_TIMES, "--output", f"{CONFIG}/profile.json"], "cannot be written"),
        (["--config", CONFIG, "run.sed=1"], "run.seed"),
        (["--config", CONFIG, "--output", "configs"], "configs is a folder"),
        (["--config", CONFIG, "--plot", f"{CONFIG}/x.png"], "cannot be written"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(arguments: list[str], expected: str) -> None:
    check_one_line_mistake(_profile(*arguments), expected)


def test_tensorflow_is_not_imported() -> None:
    result = _python(
        "-c",
        "import sys, dbsl_tf.cli.profile, dbsl_tf.measuring.profile_cache\n"
        "import dbsl_tf.profiling.figures\n"
        f"dbsl_tf.cli.profile.main(['--from-csv', {BATCH_TIMES!r}])\n"
        "assert not {'tensorflow', 'keras', 'keras_core'} & set(sys.modules)",
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.cluster
@pytest.mark.slow
def test_the_cluster_of_a_configuration_is_measured(tmp_path: Path) -> None:
    output = tmp_path / "profile.json"
    result = subprocess.run(
        [sys.executable, "-m", "dbsl_tf.profile", "--config", CONFIG, "--output", str(output)]
        + ["profile.seconds=60", "profile.max_batch=32", "data.train_samples=200"]
        + ["profile.memory_budget=700MiB"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
    )
    if result.returncode == 0:
        profile = load_profile(output)
        assert (profile.settings["model"], profile.machine["workers"]) == ("resnet8", 2)
        # None where there was no time left for them.
        assert profile.evaluation_seconds is None or profile.evaluation_seconds > 0
        assert profile.merge_seconds is None or profile.merge_seconds > 0
    else:
        # Beside other tests, times may leave it in doubt; then those of steps are kept.
        assert "no profile is written" in result.stderr
        (kept,) = (tmp_path / "dbsl_tf" / "measurements").iterdir()
        measured = load_measurements(kept).by_resolution
        if any(len({step.batch for step in each.steps}) < 2 for each in measured.values()):
            pytest.skip("other work on this machine left no time for two sizes")
        profile = profile_measurements({**measured}, {}, {})
    (fit,) = profile.fits
    assert fit.resolution == 32
    assert [worker.worker for worker in fit.workers] == [0, 1]
    for worker in fit.workers:
        sizes = {point.batch for point in worker.points}
        # The scan begins with 4; B_S of the plan that comes of it is timed too, and may be less.
        assert 4 in sizes
        assert 4 < max(sizes) <= 32
        assert all(point.seconds > 0 for point in worker.points)
    # A worker's TensorFlow alone takes some hundred MB, and a step takes a little more. It is read
    # last, if there is time left.
    if profile.memory is not None:
        peaks = [point.peak_bytes for point in profile.memory.points]
        assert 200e6 < min(peaks) <= max(peaks) < 3e9


@pytest.mark.cluster
@pytest.mark.slow
def test_a_measurement_without_time_says_so_and_the_next_goes_on(tmp_path: Path) -> None:
    output = tmp_path / "profile.json"
    command = ["--config", CONFIG, "--output", str(output), "profile.seconds=3"]
    for number in range(2):
        # What there is to go on from; on a slow machine nothing.
        before = [
            load_measurements(kept).by_resolution
            for kept in (tmp_path / "dbsl_tf" / "measurements").glob("*")
        ]
        assert len(before) == number
        result = subprocess.run(
            [sys.executable, "-m", "dbsl_tf.profile", *command],
            cwd=ROOT,
            capture_output=True,
            text=True,
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        )
        assert result.returncode == 1, result.stdout
        (line,) = result.stderr.splitlines()
        assert line.startswith("error: no profile is written: ")
        assert ("going on from " in result.stdout) == any(before)
        (kept,) = (tmp_path / "dbsl_tf" / "measurements").iterdir()
        assert str(kept) in line
    assert not output.exists()


def _children(parent: int) -> list[int]:
    """Process numbers of the child processes of `parent`."""
    stats = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            stats.append(path.read_text())
    fields = [(int(stat.split()[0]), int(stat.rpartition(")")[2].split()[1])) for stat in stats]
    return [pid for pid, ppid in fields if ppid == parent]


@pytest.mark.cluster
@pytest.mark.slow
def test_servers_that_die_end_the_measurement_in_one_line(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "dbsl_tf.profile", "--config", CONFIG, "profile.seconds=100"]
        + ["--output", str(tmp_path / "profile.json")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
    )
    try:
        for line in process.stdout:
            if "round 1" in line:
                break
        for server in _children(process.pid):
            os.kill(server, signal.SIGKILL)
        _, errors = process.communicate()
    finally:
        process.kill()
    assert process.returncode == 1
    # The one that is killed first may be missed before it is seen to have ended.
    assert "ended with SIGKILL" in errors or "a parameter server no longer answers" in errors
    assert errors.startswith("error: ") and errors.count("\n") == 1
