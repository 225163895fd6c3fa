"""`python -m dbsl_tf.simulate` as a person runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import check_one_line_mistake

ROOT = Path(__file__).parents[2]
CONFIG = "configs/cifar100_compsac.yaml"


def _simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dbsl_tf.simulate", "--config", CONFIG, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def test_json_is_one_object() -> None:
    result = _simulate("--json", "sync.mode=bsp")
    assert (result.returncode, result.stderr) == (0, "")
    values = json.loads(result.stdout)
    assert values["commits"] == 40
    assert values["staleness_histogram"] == {"0": 40}
    assert values["bottleneck"] == "workers' compute"
    assert len(values["each_epoch_seconds"]) == 10


def test_a_table_of_sizes_and_a_figure(tmp_path) -> None:
    result = _simulate(
        "--workers", "4,400", "--plot", f"{tmp_path}/s.png", "simulate.samples_per_worker=12500"
    )
    assert result.returncode == 0, result.stderr
    assert "Saturation" in result.stdout
    assert (tmp_path / "s.png").stat().st_size > 0


def test_the_table_tells_the_epoch_and_the_bottleneck() -> None:
    result = _simulate("simulate.failures_per_hour=100")
    assert "seconds per epoch" in result.stdout
    assert "bottleneck: workers' compute" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["simulate.sed=1"], "did you mean simulate.seed?"),
        (["simulate.server_bandwidth=fast"], "simulate.server_bandwidth is 'fast'"),
        (["simulate.straggler_probability=2"], "a number from 0 to 1"),
        (["simulate.failures_per_hour=1e5"], "hardly ever finish; give at most 1.38e+03"),
        (["cluster.workers=60000"], "exceeds the number of training samples"),
        (["--workers", "4,many"], "--workers has 'many'"),
        (["--plot", "figure.bmp"], "--plot is figure.bmp"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], expected: str) -> None:
    check_one_line_mistake(_simulate(*arguments), expected)


def test_tensorflow_is_not_loaded() -> None:
    code = (
        "import sys; from dbsl_tf.cli.simulate import main; "
        f"main(['--config', {CONFIG!r}]); assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
